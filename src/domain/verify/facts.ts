/** What the adversary saw: facts by their key, each with its fields. It judges nothing, so all of it is data. */
export interface Facts {
  /** All of one key, in the order in which they were seen. */
  of(key: string): readonly (readonly string[])[];
  /** The first field of the first fact of that key, or of the one whose first field is `name`: its second. */
  value(key: string, name?: string): string | undefined;
  /** First fields. */
  all(key: string): readonly string[];
}

/** Nobody prints more than this; what is beyond it is not read. */
export const FACTS_BYTES_MAX = 4 * 1024 * 1024;

/** Lines of `KEY<TAB>FIELD…`; anything else is passed over. */
export function parseFacts(text: string): Facts {
  const byKey = new Map<string, (readonly string[])[]>();
  for (const line of text.slice(0, FACTS_BYTES_MAX).split('\n')) {
    const [key = '', ...fields] = line.split('\t');
    if (fields.length === 0) continue;
    const known = byKey.get(key);
    if (known === undefined) byKey.set(key, [fields]);
    else known.push(fields);
  }
  const of = (key: string) => byKey.get(key) ?? [];
  return {
    of,
    value: (key, name) => (name === undefined ? of(key)[0]?.[0] : of(key).find(([first]) => first === name)?.[1]),
    all: (key) => of(key).map(([first = '']) => first),
  };
}
