import { parseDocument } from 'yaml';
import { ArcError } from '../../../contract/errors.ts';
import { AddTemplateRequest } from '../../../contract/schemas/admin.ts';
import { Template } from '../../../contract/schemas/template.ts';
import { checkTree } from '../guard/json-body.ts';
import { lazyCheck, refuse } from '../guard/validate.ts';

/** Anchors in a template are a convenience; thousands of them are a bomb. */
const YAML_ALIASES_MAX = 64;

const checks = { document: lazyCheck(Template), wrapped: lazyCheck(AddTemplateRequest) };

/** The body is the template's document itself, or `{template, credentials}`. Faults are told as those of a template. */
export function templateRequest(body: unknown, header: string | undefined): AddTemplateRequest {
  const isWrapped = typeof body === 'object' && body !== null && 'template' in body && !('root' in body);
  const faults = isWrapped ? checks.wrapped(body, 'body') : checks.document(body, 'template');
  if (faults.length > 0) throw refuse(faults, 'invalid_template');
  const request = isWrapped ? (body as AddTemplateRequest) : { template: body as Template };
  const credentials = header === undefined ? undefined : fromHeader(header);
  return credentials === undefined ? request : { ...request, credentials };
}

/** `Registry-Authorization: Basic …`, so that the document can be sent as it is kept in git. */
function fromHeader(header: string): { username: string; password: string } {
  const encoded = /^basic +([A-Za-z0-9+/=]+) *$/i.exec(header)?.[1] ?? '';
  const pair = Buffer.from(encoded, 'base64').toString('utf8');
  const colon = pair.indexOf(':');
  if (colon < 0)
    throw new ArcError('invalid_request', 'Registry-Authorization: must be `Basic` and base64 of USER:PASSWORD');
  return { username: pair.slice(0, colon), password: pair.slice(colon + 1) };
}

export function parseYaml(text: string): unknown {
  const document = parseDocument(text, {
    schema: 'core',
    merge: false,
    uniqueKeys: true,
    prettyErrors: true,
    logLevel: 'silent',
  });
  const faults = [...document.errors, ...document.warnings];
  if (faults.length > 0) {
    const words = faults
      .slice(0, 3)
      .map((fault) => fault.message.split('\n', 1)[0])
      .join('; ');
    throw new ArcError('invalid_template', `the YAML can not be read: ${words}`);
  }
  let value: unknown;
  try {
    value = document.toJS({ maxAliasCount: YAML_ALIASES_MAX });
  } catch (cause) {
    throw new ArcError('invalid_template', 'the YAML repeats its anchors too often', { cause });
  }
  checkTree(value);
  return value;
}
