/** Where a schema's name travels while the plugin, which drops `$id`, rewrites it. */
const NAME = 'x-arc-name';

/** A copy of a route's schemas with their names kept and unions of words as `enum`. */
export function nameSchemas(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(nameSchemas);
  if (typeof value !== 'object' || value === null) return value;
  const words = wordsOf(value);
  if (words !== undefined) return words;
  const copy: Record<string, unknown> = {};
  for (const [key, member] of Object.entries(value)) copy[key === '$id' ? NAME : key] = nameSchemas(member);
  return copy;
}

/** Named schemas are written once, under `components.schemas`, and referred to from everywhere else. */
export function shareSchemas<T extends object>(document: T): T {
  const shared: Record<string, unknown> = {};
  const result = share(document, shared) as T & { components?: { schemas?: Record<string, unknown> } };
  const schemas = Object.fromEntries(Object.entries(shared).sort(([a], [b]) => (a < b ? -1 : 1)));
  return { ...result, components: { ...result.components, schemas } };
}

function share(value: unknown, shared: Record<string, unknown>): unknown {
  if (Array.isArray(value)) return value.map((item) => share(item, shared));
  if (typeof value !== 'object' || value === null) return value;
  const copy: Record<string, unknown> = {};
  for (const [key, member] of Object.entries(value)) if (key !== NAME) copy[key] = share(member, shared);
  const name = NAME in value ? String(value[NAME]) : undefined;
  if (name === undefined) return copy;
  shared[name] = copy;
  return { $ref: `#/components/schemas/${name}` };
}

function wordsOf(value: object): object | undefined {
  if (!('anyOf' in value) || !Array.isArray(value.anyOf) || value.anyOf.length === 0) return undefined;
  const words = value.anyOf.map((part: unknown) =>
    typeof part === 'object' && part !== null && 'const' in part ? part.const : undefined,
  );
  if (words.some((word) => typeof word !== 'string')) return undefined;
  const { anyOf: _, ...rest } = value;
  return { ...rest, type: 'string', enum: words };
}
