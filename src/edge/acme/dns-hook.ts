import type { Logger } from '../../kit/logger.ts';
import { KeyedMutex } from '../../kit/mutex.ts';
import type { Run } from '../../kit/run.ts';

export interface DnsHookOptions {
  /** The program and its own arguments; `set|clear NAME VALUE` are added. No shell. */
  readonly argv: readonly string[];
  /** All of its environment. */
  readonly env: Readonly<Record<string, string>>;
  readonly run: Run;
  readonly logger: Logger;
}

/** It returns once the record is seen by everybody, which some name servers take minutes for. */
const HOOK_MS = 10 * 60_000;
const OUTPUT_BYTES = 64 * 1024;
/** Of what it printed, in a message. */
const SHOWN_CHARS = 500;

/** TXT records, set and cleared by a program of the operator's. One call at a time: few zone files bear two writers. */
export class DnsHook {
  readonly #options: DnsHookOptions;
  readonly #turn = new KeyedMutex();

  constructor(options: DnsHookOptions) {
    this.#options = options;
  }

  /** Throws what the program said where it failed. */
  async set(name: string, value: string, signal: AbortSignal): Promise<void> {
    await this.#call(['set', name, value], signal);
  }

  /** A record that stays does no harm: it is said, and no error. */
  async clear(name: string, value: string): Promise<void> {
    await this.#call(['clear', name, value]).catch((err) =>
      this.#options.logger.warn({ err, name }, 'a DNS record of an ACME challenge could not be cleared'),
    );
  }

  async #call(words: readonly string[], signal?: AbortSignal): Promise<void> {
    const { argv, env, run } = this.#options;
    const result = await this.#turn.run('', () =>
      run([...argv, ...words], {
        ...{ env, timeoutMs: HOOK_MS, maxOutputBytes: OUTPUT_BYTES },
        ...(signal && { signal }),
      }),
    );
    if (result.code === 0) return;
    const end = result.notStarted ?? (result.code === null ? `ended by ${result.signal}` : `exit code ${result.code}`);
    const said = result.stderr.trim().slice(-SHOWN_CHARS);
    throw new Error(`the DNS hook ${argv[0]} failed at "${words[0]} ${words[1]}": ${end}${said && `: ${said}`}`);
  }
}
