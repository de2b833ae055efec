import { parseArgs } from 'node:util';
import { type Args, type Command, type OptionSpecs, UsageError } from './command.ts';
import { nearest } from './suggest.ts';

export const COMMON_OPTIONS: OptionSpecs = {
  json: { type: 'boolean', about: 'print JSON: one document, or one a line for streams' },
  'data-dir': { type: 'string', value: 'DIR', about: "the server's data folder (ARC_DATA_DIR)" },
  help: { type: 'boolean', short: 'h', about: 'print this' },
};

type Token = ReturnType<typeof tokensOf>[number];

/** Takes a command line apart; throws UsageError for whatever the command doesn't know. */
export function parseCommandLine(argv: readonly string[], command: Command): Args {
  const specs: OptionSpecs = { ...command.options, ...COMMON_OPTIONS };
  const { own, program } = splitProgram(argv, specs, command);
  const values = new Map<string, string[]>();
  const positionals: string[] = [];
  for (const token of tokensOf(own, specs)) {
    if (token.kind === 'positional') positionals.push(token.value);
    else if (token.kind === 'option') takeOption(token, specs, values, command.program !== undefined);
  }
  const args = makeArgs(values, positionals, program);
  if (!args.has('help')) checkCounts(args, command);
  return args;
}

function tokensOf(argv: readonly string[], specs: OptionSpecs) {
  const options = Object.fromEntries(
    Object.entries(specs).map(([name, { type, short }]) => [
      name,
      { type, multiple: true, ...(short ? { short } : {}) },
    ]),
  );
  return parseArgs({ args: [...argv], options, strict: false, allowPositionals: true, tokens: true }).tokens;
}

/** Where our own words end: at `--`, else after as many positionals as the command has. */
function splitProgram(argv: readonly string[], specs: OptionSpecs, command: Command) {
  if (!command.program) return { own: argv, program: undefined };
  let seen = 0;
  for (const token of tokensOf(argv, specs)) {
    if (token.kind === 'option-terminator') {
      return { own: argv.slice(0, token.index), program: argv.slice(token.index + 1) };
    }
    if (token.kind !== 'positional') continue;
    seen += 1;
    if (seen > command.positionals.max) return { own: argv.slice(0, token.index), program: argv.slice(token.index) };
  }
  return { own: argv, program: undefined };
}

function takeOption(
  token: Extract<Token, { kind: 'option' }>,
  specs: OptionSpecs,
  values: Map<string, string[]>,
  hasProgram: boolean,
): void {
  const spec = specs[token.name];
  if (!spec) throw unknownOption(token.rawName, specs, hasProgram);
  if (spec.type === 'boolean' && token.value !== undefined) throw new UsageError(`${token.rawName} takes no value`);
  if (spec.type === 'string' && token.value === undefined) throw new UsageError(`${token.rawName} needs a value`);
  const held = values.get(token.name) ?? [];
  if (held.length > 0 && spec.type === 'string' && !spec.multiple) {
    throw new UsageError(`${token.rawName} is given more than once`);
  }
  if (spec.choices && !spec.choices.includes(String(token.value))) {
    throw new UsageError(`${token.rawName} must be one of ${spec.choices.join(', ')}`);
  }
  values.set(token.name, [...held, token.value ?? '']);
}

function unknownOption(raw: string, specs: OptionSpecs, hasProgram: boolean): UsageError {
  const near = raw.startsWith('--') ? nearest(raw.slice(2), Object.keys(specs)) : undefined;
  const hint = near ? `Did you mean --${near}?` : hasProgram ? 'Options of the program go after `--`.' : undefined;
  return new UsageError(`unknown option ${raw}`, hint);
}

function checkCounts(args: Args, command: Command): void {
  const { min, max } = command.positionals;
  if (args.positionals.length < min) throw new UsageError('something is missing', `Usage: arc ${command.usage[0]}`);
  if (args.positionals.length > max) {
    throw new UsageError(`there is no place for "${args.positionals[max]}"`, `Usage: arc ${command.usage[0]}`);
  }
  if (command.program === 'required' && (args.program?.length ?? 0) === 0 && !args.has('join')) {
    throw new UsageError('the program to run is missing', `Usage: arc ${command.usage[0]}`);
  }
}

function makeArgs(
  values: ReadonlyMap<string, readonly string[]>,
  positionals: readonly string[],
  program: readonly string[] | undefined,
): Args {
  return {
    positionals,
    program: program && program.length > 0 ? program : undefined,
    has: (name) => values.has(name),
    text: (name) => values.get(name)?.at(-1),
    texts: (name) => values.get(name) ?? [],
  };
}

/** `KEY=VALUE…` as a record; later ones win. `inherit` gives the value of a bare `KEY`. */
export function pairs(
  texts: readonly string[],
  option: string,
  inherit?: (key: string) => string | undefined,
): Record<string, string> {
  const record: Record<string, string> = {};
  for (const text of texts) {
    const equals = text.indexOf('=');
    const key = equals < 0 ? text : text.slice(0, equals);
    if (key === '') throw new UsageError(`${option} must be KEY=VALUE, not "${text}"`);
    const value = equals < 0 ? inherit?.(key) : text.slice(equals + 1);
    if (value === undefined) {
      throw new UsageError(
        inherit
          ? `${option} ${key}: there is no such variable here to take the value from`
          : `${option} must be KEY=VALUE`,
      );
    }
    record[key] = value;
  }
  return record;
}

export function number(text: string | undefined, option: string): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (text.trim() === '' || !Number.isFinite(value)) throw new UsageError(`${option} must be a number, not "${text}"`);
  return value;
}

export function whole(text: string | undefined, option: string): number | undefined {
  const value = number(text, option);
  if (value !== undefined && (!Number.isSafeInteger(value) || value < 0)) {
    throw new UsageError(`${option} must be a whole number, not "${text}"`);
  }
  return value;
}
