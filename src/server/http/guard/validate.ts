import type { TSchema } from 'typebox';
import { Compile, type Validator } from 'typebox/compile';
import { Settings } from 'typebox/system';
import { ArcError, type ErrorCode } from '../../../contract/errors.ts';
import { FAULTS_MAX } from '../limits.ts';

/** TypeBox stops after 8 by default, which would hide faults behind the alternatives of one union. Process-wide, and a bound still. */
Settings.Set({ maxErrors: 256 });

export interface Fault {
  /** Such as `body.labels.user_id`. */
  readonly field: string;
  readonly message: string;
}

type RawError = ReturnType<Validator['Errors']>[number];

/** A check made at its first use: routes that nobody calls cost nothing at start. */
export function lazyCheck(schema: TSchema): (value: unknown, place: string) => readonly Fault[] {
  let compiled: Validator | undefined;
  return (value, place) => {
    compiled ??= Compile(schema);
    return compiled.Check(value) ? [] : toFaults(compiled.Errors(value), place);
  };
}

export function refuse(faults: readonly Fault[], code: ErrorCode = 'invalid_request'): ArcError {
  const named = faults.slice(0, FAULTS_MAX);
  const more = faults.length - named.length;
  const detail = named.map((fault) => `${fault.field}: ${fault.message}`).join('; ');
  return new ArcError(code, more > 0 ? `${detail}; and ${more} more` : detail, { extra: { faults: named } });
}

function toFaults(errors: readonly RawError[], place: string): readonly Fault[] {
  const unions = errors.filter((error) => error.keyword === 'anyOf').map((error) => `${error.schemaPath}/anyOf/`);
  const faults: Fault[] = [];
  for (const error of errors) {
    const insideUnion = unions.some((path) => error.schemaPath.startsWith(path));
    // An unknown key is told by `additionalProperties` with its name; the `false` schema behind it says nothing.
    if (insideUnion || error.keyword === 'boolean') continue;
    faults.push(...describe(error, errors, place));
  }
  return faults.length > 0 ? faults : [{ field: place, message: 'is not valid' }];
}

function describe(error: RawError, all: readonly RawError[], place: string): readonly Fault[] {
  const field = fieldName(place, error.instancePath);
  switch (error.keyword) {
    case 'additionalProperties':
      return error.params.additionalProperties.map((key) => ({
        field: `${field}.${printable(key)}`,
        message: 'is not known, or its name is not allowed',
      }));
    case 'required':
      return error.params.requiredProperties.map((key) => ({ field: `${field}.${key}`, message: 'is missing' }));
    case 'anyOf':
      return [{ field, message: unionMessage(error, all) }];
    case 'enum':
      return [{ field, message: `must be one of ${error.params.allowedValues.join(', ')}` }];
    case 'const':
      return [{ field, message: `must be ${JSON.stringify(error.params.allowedValue)}` }];
    default:
      return [{ field, message: error.message }];
  }
}

function unionMessage(error: RawError, all: readonly RawError[]): string {
  const values: string[] = [];
  const keys: string[] = [];
  for (const other of all) {
    if (!other.schemaPath.startsWith(`${error.schemaPath}/anyOf/`) || other.instancePath !== error.instancePath)
      continue;
    if (other.keyword === 'const') values.push(String(other.params.allowedValue));
    if (other.keyword === 'required') keys.push(other.params.requiredProperties.join(' + '));
  }
  if (values.length > 0) return `must be one of ${values.join(', ')}`;
  return keys.length > 0 ? `must have exactly one of the keys ${keys.join(', ')}` : 'has none of the allowed shapes';
}

function fieldName(place: string, pointer: string): string {
  const parts = pointer.split('/').slice(1);
  return [place, ...parts.map((part) => printable(part.replaceAll('~1', '/').replaceAll('~0', '~')))].join('.');
}

/** Names come from strangers: cut, and without what would break a line or a terminal. */
function printable(text: string): string {
  const short = text.length > 64 ? `${text.slice(0, 64)}…` : text;
  return short.replaceAll(/[^\x20-\x7e…]/g, '?');
}

/** Query and path texts → the types their schema asks for. What does not convert cleanly stays text and is then refused. */
export function convertTexts(schema: TSchema, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || !('properties' in schema)) return value;
  const properties = schema.properties as Record<string, { readonly type?: string }>;
  const result: Record<string, unknown> = {};
  for (const [key, text] of Object.entries(value)) {
    const type = Object.hasOwn(properties, key) ? properties[key]?.type : undefined;
    Object.defineProperty(result, key, {
      value: convertText(type, text),
      enumerable: true,
      writable: true,
      configurable: true,
    });
  }
  return result;
}

function convertText(type: string | undefined, text: unknown): unknown {
  if (type === 'array') return Array.isArray(text) ? text : [text];
  if (typeof text !== 'string') return text;
  if (type === 'integer' && /^-?[0-9]{1,15}$/.test(text)) return Number(text);
  if (type === 'boolean' && /^(true|1|)$/.test(text)) return true;
  if (type === 'boolean' && /^(false|0)$/.test(text)) return false;
  return text;
}
