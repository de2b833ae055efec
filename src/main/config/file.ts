import { createRequire } from 'node:module';

/** Largest configuration file, in characters. */
const MAX_FILE_CHARS = 256 * 1024;
/** Deepest nesting of keys. */
const MAX_DEPTH = 8;

/**
 * The settings of a file, nested keys joined by dots. JSON is read by the same parser, as YAML holds all of it. The
 * parser is loaded only when there is a file, since it costs more than all the rest of reading the configuration.
 */
export function readConfigFile(
  path: string,
  content: string,
  faults: string[],
): readonly (readonly [string, unknown])[] {
  if (content.length > MAX_FILE_CHARS) {
    faults.push(`${path} is longer than ${MAX_FILE_CHARS} characters`);
    return [];
  }
  const yaml = createRequire(import.meta.url)('yaml') as typeof import('yaml');
  const document = yaml.parseDocument(content, { prettyErrors: true, strict: true, uniqueKeys: true });
  const problems = [...document.errors, ...document.warnings];
  if (problems.length > 0) {
    faults.push(...problems.map((problem) => `${path}: ${problem.message.split('\n')[0]}`));
    return [];
  }
  let root: unknown;
  try {
    root = document.toJS({ maxAliasCount: 0 });
  } catch {
    faults.push(`${path} uses YAML aliases, which are not for settings`);
    return [];
  }
  if (root === null) return [];
  if (!isMap(root)) {
    faults.push(`${path} must hold keys and their values`);
    return [];
  }
  const entries = [...flatten(root, '', 1)];
  const seen = new Set<string>();
  for (const [key] of entries) {
    if (seen.has(key)) faults.push(`${path}: ${key} is given more than once`);
    seen.add(key);
  }
  return entries;
}

function* flatten(map: Readonly<Record<string, unknown>>, before: string, depth: number): Generator<[string, unknown]> {
  for (const [key, value] of Object.entries(map)) {
    const name = before === '' ? key : `${before}.${key}`;
    if (isMap(value) && depth < MAX_DEPTH && Object.keys(value).length > 0) yield* flatten(value, name, depth + 1);
    else yield [name, value];
  }
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
