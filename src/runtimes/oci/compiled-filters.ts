import { readFile } from 'node:fs/promises';
import type { Seccomp } from './seccomp.ts';

/** Of one instruction of a filter (struct sock_filter), and the most that the kernel takes of them. */
const INSTRUCTION_BYTES = 8;
const INSTRUCTIONS_MAX = 4096;
/** Lists differ by the capabilities of templates only. */
const KEPT_MAX = 64;
const ANNOTATION = 'run.oci.seccomp_bpf_data';

export interface FilterParts {
  readonly seccomp: Seccomp;
  readonly annotations?: Readonly<Record<string, string>>;
}

/**
 * What the runtime itself compiled from a list of calls, for its later starts: reading and compiling the list takes a
 * good part of a start. Kept in memory and nowhere else, so that the first start of each list after each start of
 * Arc has it compiled anew, by the runtime that is installed then.
 *
 * Where a compiled filter is handed over, the list beside it allows nothing at all: a runtime that went by the list
 * would start nothing, and never something with less than the filter.
 */
export class CompiledFilters {
  readonly #kept = new Map<string, string>();
  readonly #program: string;
  #able: Promise<boolean> | undefined;

  /** @param program absolute path of the runtime, which is looked at for whether it knows compiled filters */
  constructor(program: string) {
    this.#program = program;
  }

  /** What a config says for this list. */
  parts(list: Seccomp): FilterParts {
    const data = this.#kept.get(keyOf(list));
    if (data === undefined) return { seccomp: list };
    return { seccomp: { ...list, syscalls: [] }, annotations: { [ANNOTATION]: data } };
  }

  /** @param path where the runtime has put the filter of a sandbox that it has just started from this list */
  async learn(list: Seccomp, path: string): Promise<void> {
    const key = keyOf(list);
    if (this.#kept.has(key) || this.#kept.size >= KEPT_MAX) return;
    this.#able ??= readFile(this.#program).then(
      (binary) => binary.includes(ANNOTATION),
      () => false,
    );
    if (!(await this.#able)) return;
    const filter = await readFile(path).catch(() => Buffer.alloc(0));
    const whole = filter.length > 0 && filter.length % INSTRUCTION_BYTES === 0;
    if (whole && filter.length <= INSTRUCTIONS_MAX * INSTRUCTION_BYTES) this.#kept.set(key, filter.toString('base64'));
  }
}

const keys = new WeakMap<Seccomp, string>();

function keyOf(list: Seccomp): string {
  const key = keys.get(list) ?? JSON.stringify(list);
  keys.set(list, key);
  return key;
}
