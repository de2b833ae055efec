/** A form from the schema of a request, as the API's own description has it: what the API learns, the form learns too. Pure. */

export interface Schema {
  readonly type?: string | readonly string[];
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly anyOf?: readonly Schema[];
  readonly pattern?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly maxLength?: number;
  readonly description?: string;
  readonly examples?: readonly unknown[];
  readonly items?: Schema;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly patternProperties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: boolean | Schema;
  readonly $ref?: string;
}

export type FieldKind = 'text' | 'number' | 'integer' | 'choice' | 'switch' | 'words' | 'pairs' | 'document';

export interface Field {
  readonly name: string;
  readonly label: string;
  readonly kind: FieldKind;
  readonly required: boolean;
  readonly choices: readonly string[];
  readonly pattern: string | undefined;
  readonly keyPattern: string | undefined;
  readonly min: number | undefined;
  readonly max: number | undefined;
  readonly hint: string;
}

/** `ttl` and its like, spelled for people who have not read the reference. */
const LABELS: Readonly<Record<string, string>> = {
  env: 'Environment',
  cpus: 'Processors',
  pids: 'Processes at most',
  ttl: 'Time to live',
  isolation: 'Isolation level',
};
const HINTS: Readonly<Record<FieldKind, string>> = {
  text: '',
  number: '',
  integer: '',
  choice: '',
  switch: '',
  words: 'One word a line',
  pairs: 'One KEY=value a line',
  document: 'JSON, or a word',
};

export function fieldsOf(schema: Schema, refs: Readonly<Record<string, Schema>> = {}): readonly Field[] {
  return Object.entries(schema.properties ?? {}).map(([name, held]) =>
    fieldOf(name, resolve(held, refs), schema.required?.includes(name) ?? false, refs),
  );
}

function fieldOf(name: string, schema: Schema, required: boolean, refs: Readonly<Record<string, Schema>>): Field {
  const choices = choicesOf(schema, refs);
  const kind = kindOf(schema, choices);
  const [keyPattern] = Object.keys(schema.patternProperties ?? {});
  const example = schema.examples?.[0];
  const hint = schema.description ?? (example === undefined ? HINTS[kind] : `Such as ${String(example)}`);
  return {
    ...{ name, kind, required, choices, keyPattern, hint, pattern: schema.pattern },
    ...{
      label:
        LABELS[name] ??
        name.charAt(0).toUpperCase() +
          name
            .slice(1)
            .replaceAll(/([A-Z])/g, ' $1')
            .toLowerCase(),
    },
    ...{ min: schema.minimum, max: schema.maximum },
  };
}

function resolve(schema: Schema, refs: Readonly<Record<string, Schema>>): Schema {
  const name = schema.$ref?.split('/').at(-1);
  return (name === undefined ? undefined : refs[name]) ?? schema;
}

function choicesOf(schema: Schema, refs: Readonly<Record<string, Schema>>): readonly string[] {
  if (schema.enum) return schema.enum.map(String);
  const parts = (schema.anyOf ?? []).map((part) => resolve(part, refs));
  const fixed = parts.filter((part) => part.const !== undefined || part.enum !== undefined);
  if (fixed.length === 0 || fixed.length < parts.length) return [];
  return fixed.flatMap((part) => (part.enum ?? [part.const]).map(String));
}

function kindOf(schema: Schema, choices: readonly string[]): FieldKind {
  if (choices.length > 0) return 'choice';
  if (schema.type === 'boolean') return 'switch';
  if (schema.type === 'integer' || schema.type === 'number') return schema.type;
  if (schema.type === 'array' && schema.items?.type === 'string') return 'words';
  const { additionalProperties: rest } = schema;
  if (schema.patternProperties !== undefined || (typeof rest === 'object' && rest.type === 'string')) return 'pairs';
  return schema.type === 'string' ? 'text' : 'document';
}

export type Read = { readonly value: unknown } | { readonly fault: string };

/** What was written in a field → what is sent; an empty field is left out. */
export function readField(field: Field, written: string): Read {
  const text = written.trim();
  if (text === '') return field.required ? { fault: 'is needed' } : { value: undefined };
  switch (field.kind) {
    case 'number':
    case 'integer':
      return readNumber(field, text);
    case 'switch':
      return { value: text === 'true' };
    case 'words':
      return { value: written.split('\n').filter((line) => line !== '') };
    case 'pairs':
      return readPairs(field, written);
    case 'document':
      return readDocument(text);
    case 'text':
    case 'choice':
      return field.pattern !== undefined && !new RegExp(field.pattern).test(text)
        ? { fault: `does not look right. ${field.hint}` }
        : { value: text };
  }
}

function readNumber(field: Field, text: string): Read {
  const value = Number(text);
  if (!Number.isFinite(value) || (field.kind === 'integer' && !Number.isInteger(value)))
    return { fault: 'is no number' };
  if (field.min !== undefined && value < field.min) return { fault: `must be at least ${field.min}` };
  if (field.max !== undefined && value > field.max) return { fault: `must be at most ${field.max}` };
  return { value };
}

function readPairs(field: Field, text: string): Read {
  const pairs: Record<string, string> = {};
  for (const line of text.split('\n').filter((one) => one.trim() !== '')) {
    const equals = line.indexOf('=');
    const key = line.slice(0, equals).trim();
    if (equals < 1) return { fault: `“${line.slice(0, 40)}” has no =` };
    if (field.keyPattern !== undefined && !new RegExp(field.keyPattern).test(key))
      return { fault: `can not have the key “${key}”` };
    pairs[key] = line.slice(equals + 1);
  }
  return { value: pairs };
}

function readDocument(text: string): Read {
  try {
    return { value: JSON.parse(text) };
  } catch {
    // Where a word will do, such as `none`, nobody should have to put quotes around it.
    return /^[a-z-]+$/.test(text) ? { value: text } : { fault: 'is not JSON' };
  }
}
