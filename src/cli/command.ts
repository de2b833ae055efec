import type { Client } from '../sdk/client.ts';
import type { CliEnv } from './env.ts';
import type { Output } from './output.ts';

export interface OptionSpec {
  readonly type: 'string' | 'boolean';
  readonly short?: string;
  readonly multiple?: boolean;
  /** Shown in the help, such as `KEY=VALUE`. */
  readonly value?: string;
  readonly about: string;
  /** For completion, where the values are few. */
  readonly choices?: readonly string[];
}
export type OptionSpecs = Readonly<Record<string, OptionSpec>>;

/** What a position of the command line holds; completion asks the server for it. */
export type Positional = 'sandbox' | 'template' | 'key' | 'hook' | 'file' | 'program' | 'word';

export interface Command {
  /** One line for each way to call it, without `arc`. */
  readonly usage: readonly string[];
  readonly about: string;
  readonly options: OptionSpecs;
  readonly positionals: { readonly min: number; readonly max: number; readonly kinds: readonly Positional[] };
  /** Everything after `--` (or after the last own positional) is a program and its arguments. */
  readonly program?: 'required' | 'optional';
  run(call: Call): Promise<number>;
}

interface Named {
  readonly summary: string;
  /** Shown by `arc` without arguments. */
  readonly common?: boolean;
}
export interface Leaf extends Named {
  readonly load: () => Promise<{ readonly command: Command }>;
}
export interface Group extends Named {
  readonly commands: Readonly<Record<string, Leaf>>;
}
/** Composed in `main/`, with a command line of its own. */
export interface Host extends Named {
  readonly host: 'up' | 'down' | 'doctor' | 'kit' | 'dev';
}
export type Entry = Leaf | Group | Host;

export const isGroup = (entry: Entry): entry is Group => 'commands' in entry;
export const isHost = (entry: Entry): entry is Host => 'host' in entry;
export type Table = Readonly<Record<string, Entry>>;

/** One call of a command, its command line taken apart. */
export interface Call {
  readonly env: CliEnv;
  readonly out: Output;
  readonly err: Output;
  readonly args: Args;
  /** All commands, for those that speak of them. */
  readonly table: Table;
  readonly json: boolean;
  /** `sockets`: the command will follow programs. */
  connect(options?: { readonly sockets?: boolean }): Promise<Client>;
}

export interface Args {
  readonly positionals: readonly string[];
  readonly program: readonly string[] | undefined;
  has(name: string): boolean;
  text(name: string): string | undefined;
  texts(name: string): readonly string[];
}

/** The command line itself is wrong: exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
  readonly hint: string | undefined;
  constructor(message: string, hint?: string) {
    super(message);
    this.hint = hint;
  }
}
