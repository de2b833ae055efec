import type { TSchema } from 'typebox';
import { Compile, type Validator } from 'typebox/compile';
import { parseDocument } from 'yaml';
import { ArcError } from '../contract/errors.ts';
import { Template } from '../contract/schemas/template.ts';

/** A template as people keep it in git: one YAML or JSON document, checked whole, with every fault named at once. */

export const DOCUMENT_CHARS_MAX = 64 * 1024;
const NESTING_MAX = 64;
const COMPLEX_KEYS_MAX = 4;
const ALIASES_MAX = 32;
const FAULTS_MAX = 50;

export interface Fault {
  /** Such as `root.image` or `ports.0`; empty for the document itself. */
  readonly field: string;
  readonly message: string;
}

export function parseTemplate(text: string, format: 'yaml' | 'json'): Template {
  if (text.length > DOCUMENT_CHARS_MAX) {
    throw refuse([{ field: '', message: `is longer than ${DOCUMENT_CHARS_MAX} characters` }]);
  }
  refuseNesting(text);
  return checkTemplate(format === 'json' ? readJson(text) : readYaml(text));
}

/**
 * Before the YAML parser sees it: a few thousand open brackets, or keys of keys of keys (`? ? ?`), keep it busy for
 * minutes. Brackets in quotes are counted too, which only matters to text that opens many and closes none.
 */
function refuseNesting(text: string): void {
  let depth = 0;
  for (const [bracket] of text.matchAll(/[[\]{}]/g)) {
    depth = bracket === '[' || bracket === '{' ? depth + 1 : Math.max(0, depth - 1);
    if (depth > NESTING_MAX) throw refuse([{ field: '', message: `nests deeper than ${NESTING_MAX} levels` }]);
  }
  const complex = text.match(/(^|[\s[{,])\?(?=\s)/g)?.length ?? 0;
  if (complex > COMPLEX_KEYS_MAX) throw refuse([{ field: '', message: 'has keys that are not plain text (`? `)' }]);
}

/** The same check for a document that is parsed already. */
export function checkTemplate(value: unknown): Template {
  const faults = templateFaults(value);
  if (faults.length > 0) throw refuse(faults);
  return value as Template;
}

function refuse(faults: readonly Fault[], cause?: unknown): ArcError {
  const named = faults.slice(0, FAULTS_MAX);
  const lines = named.map(({ field, message }) => `${field === '' ? 'the document' : field} ${message}`);
  if (faults.length > named.length) lines.push(`and ${faults.length - named.length} more`);
  return new ArcError('invalid_template', lines.join('; '), { cause, extra: { faults: named } });
}

function readJson(text: string): unknown {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw refuse([{ field: '', message: `is not JSON: ${(cause as Error).message}` }], cause);
  }
  // JSON.parse quietly takes the last of two equal keys. The YAML parser, which reads JSON as well, sees them.
  const twice = parsed(text).errors.filter(({ code }) => code === 'DUPLICATE_KEY');
  if (twice.length > 0) throw refuse(twice.map(({ message }) => ({ field: '', message: oneLine(message) })));
  return value;
}

function readYaml(text: string): unknown {
  const document = parsed(text);
  // A tag that is not of YAML's core is a warning there; here it is a fault, as it would change what is meant.
  const faults = [...document.errors, ...document.warnings];
  if (faults.length > 0) throw refuse(faults.map(({ message }) => ({ field: '', message: oneLine(message) })));
  try {
    return document.toJS({ maxAliasCount: ALIASES_MAX });
  } catch (cause) {
    throw refuse([{ field: '', message: oneLine((cause as Error).message) }], cause);
  }
}

function parsed(text: string): ReturnType<typeof parseDocument> {
  try {
    return parseDocument(text, { version: '1.2', schema: 'core', uniqueKeys: true, stringKeys: true, merge: false });
  } catch (cause) {
    // Brackets nested by the thousand exhaust the parser's stack, which is the document's fault.
    throw refuse([{ field: '', message: `can not be parsed: ${oneLine((cause as Error).message)}` }], cause);
  }
}

const oneLine = (message: string): string => (message.split('\n', 1)[0] ?? '').replace(/:$/, '');

export function templateFaults(value: unknown): readonly Fault[] {
  return objectFaults('', Template, value);
}

interface ObjectSchema {
  readonly properties: Readonly<Record<string, TSchema>>;
  readonly required?: readonly string[];
}

/** Each field is checked by itself, so that a bad one hides none of the others. */
function objectFaults(place: string, schema: ObjectSchema, value: unknown): readonly Fault[] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return [{ field: place, message: 'must be a mapping of fields' }];
  }
  const faults: Fault[] = [];
  const at = (key: string) => (place === '' ? printable(key) : `${place}.${printable(key)}`);
  const document = value as Readonly<Record<string, unknown>>;
  for (const key of Object.keys(document)) {
    if (!Object.hasOwn(schema.properties, key)) faults.push({ field: at(key), message: 'is not known' });
  }
  for (const key of schema.required ?? []) {
    if (!Object.hasOwn(document, key)) faults.push({ field: at(key), message: 'is missing' });
  }
  for (const [key, field] of Object.entries(schema.properties)) {
    if (!Object.hasOwn(document, key)) continue;
    if ('properties' in field) faults.push(...objectFaults(at(key), field as unknown as ObjectSchema, document[key]));
    else if (!validator(field).Check(document[key])) faults.push(...fieldFaults(at(key), field, document[key]));
  }
  return faults;
}

const compiled = new WeakMap<TSchema, Validator>();
/** Made at its first use, as most programs never check a template. */
function validator(schema: TSchema): Validator {
  const made = compiled.get(schema) ?? Compile(schema);
  compiled.set(schema, made);
  return made;
}

function fieldFaults(place: string, schema: TSchema, value: unknown): readonly Fault[] {
  if ('anyOf' in schema) return unionFaults(place, schema.anyOf as readonly TSchema[], value);
  const faults = validator(schema)
    .Errors(value)
    .flatMap((error): Fault[] => {
      const field = [place, ...error.instancePath.split('/').slice(1).map(printable)].join('.');
      if (error.keyword === 'boolean' || error.keyword === 'const') return [];
      if (error.keyword === 'additionalProperties') {
        return error.params.additionalProperties.map((name) => ({
          field: `${field}.${printable(name)}`,
          message: 'is not known, or its name is not allowed',
        }));
      }
      const allowed = error.keyword === 'enum' ? error.params.allowedValues : itemChoices(schema, error.keyword);
      return [{ field, message: allowed ? `must be ${choices(allowed)}` : error.message }];
    });
  return faults.length > 0 ? faults : [{ field: place, message: 'is not valid' }];
}

/** Of a union the shape that is meant is checked; where none is, it is said what there is to choose from. */
function unionFaults(place: string, options: readonly TSchema[], value: unknown): readonly Fault[] {
  const shapes = options.filter((option) => 'properties' in option) as unknown as ObjectSchema[];
  if (shapes.length > 0 && typeof value === 'object' && value !== null && !Array.isArray(value)) {
    const meant = shapes.filter(({ required }) => (required ?? []).every((key) => Object.hasOwn(value, key)));
    if (meant.length === 1 && meant[0]) return objectFaults(place, meant[0], value);
    const keys = shapes.map(({ required }) => (required ?? []).join(' and '));
    return [{ field: place, message: `must have exactly one of the keys ${keys.join(', ')}` }];
  }
  return [{ field: place, message: `must be ${choices(options)}` }];
}

/** What the items of a list may be, when one of them is none of it. */
function itemChoices(schema: TSchema, keyword: string): readonly unknown[] | undefined {
  const items = (schema as { items?: { anyOf?: readonly unknown[] } }).items;
  return keyword === 'anyOf' ? items?.anyOf : undefined;
}

function choices(options: readonly unknown[]): string {
  const names = options.map((option) => {
    if (typeof option !== 'object' || option === null) return String(option);
    return 'const' in option ? String(option.const) : 'a mapping of fields';
  });
  return names.length > 1 ? `one of ${names.join(', ')}` : names.join('');
}

function printable(name: string): string {
  return /^[!-~]{1,64}$/.test(name) ? name : JSON.stringify(name.slice(0, 64));
}
