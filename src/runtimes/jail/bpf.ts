import type { Seccomp, SeccompArg, SeccompRule } from '../oci/seccomp.ts';
import { SYSCALLS } from '../oci/syscalls.ts';

/**
 * The project's list of system calls as a program for the kernel (classic BPF), for jailers that take a compiled filter.
 * It means what the filter library of crun and runc makes of the same list: first the architecture, then the number, then
 * the arguments; a call by another table ends the program.
 */

/** One instruction: `jt` and `jf` are how many to skip when a test holds, and when it does not. */
export interface Instruction {
  readonly code: number;
  readonly jt: number;
  readonly jf: number;
  readonly k: number;
}

/** The opcodes that are used here, by their names in `linux/filter.h`. */
export const OP = { LD_ABS: 0x20, AND: 0x54, JA: 0x05, JEQ: 0x15, JGT: 0x25, JGE: 0x35, RET: 0x06 } as const;
export const RET_KILL = 0x8000_0000;
export const RET_ERRNO = 0x0005_0000;
export const RET_ALLOW = 0x7fff_0000;

/** Offsets in `struct seccomp_data`. */
const AT_NUMBER = 0;
const AT_ARCH = 4;
const AT_ARGS = 16;

/** `AUDIT_ARCH_…` by Node's name of the architecture. */
const AUDIT_ARCH: Readonly<Record<string, number>> = { x64: 0xc000_003e, arm64: 0xc000_00b7 };
/** Numbers from here on are those of the x32 table, which shares the architecture of x86-64. */
const X32_BIT = 0x4000_0000;
/** What a tracer puts there to skip a call; no number of a table. */
const NO_CALL = 0xffff_ffff;
const INSTRUCTION_BYTES = 8;
/** The kernel takes no longer program. */
const INSTRUCTIONS_MAX = 4096;

type Code = readonly Instruction[];

/** The bytes that `prctl(PR_SET_SECCOMP)`, and with it bubblewrap's `--seccomp`, takes. */
export function compileFilter(list: Seccomp, arch: string): Buffer {
  const code = filterCode(list, arch);
  const bytes = Buffer.alloc(code.length * INSTRUCTION_BYTES);
  for (const [index, { code: op, jt, jf, k }] of code.entries()) {
    const at = index * INSTRUCTION_BYTES;
    bytes.writeUInt16LE(op, at);
    bytes.writeUInt8(jt, at + 2);
    bytes.writeUInt8(jf, at + 3);
    bytes.writeUInt32LE(k >>> 0, at + 4);
  }
  return bytes;
}

export function filterCode(list: Seccomp, arch: string): Code {
  const audit = AUDIT_ARCH[arch];
  const numbers = SYSCALLS[arch];
  if (audit === undefined || numbers === undefined) throw new Error(`there is no seccomp filter for ${arch}`);
  const otherwise = [give(RET_ERRNO | list.defaultErrnoRet)];
  const calls = [...callsOf(list, numbers, otherwise[0] as Instruction)].sort(([a], [b]) => a - b);
  const ranges = rangesOf(calls, otherwise);
  const killed = [give(RET_KILL)];
  const x32 = branch(OP.JGE, X32_BIT, branch(OP.JEQ, NO_CALL, otherwise, killed), search(ranges));
  const native = [load(AT_NUMBER), ...(arch === 'x64' ? x32 : search(ranges))];
  const code = [load(AT_ARCH), ...branch(OP.JEQ, audit, native, killed)];
  if (code.length > INSTRUCTIONS_MAX) throw new Error(`the seccomp filter has ${code.length} instructions`);
  return code;
}

const load = (k: number): Instruction => ({ code: OP.LD_ABS, jt: 0, jf: 0, k });
const give = (k: number): Instruction => ({ code: OP.RET, jt: 0, jf: 0, k });

/** A test of the loaded word. The long jump goes over `no`, since a test's own jump reaches 255 instructions only. */
function branch(code: number, k: number, yes: Code, no: Code): Code {
  const over: Instruction = { code: OP.JA, jt: 0, jf: 0, k: no.length };
  return [{ code, jt: 0, jf: 1, k }, over, ...no, ...yes];
}

/** Each call's own answer. A name that this architecture never had is left out, as the filter library does. */
function callsOf(
  list: Seccomp,
  numbers: ReadonlyMap<string, number>,
  otherwise: Instruction,
): ReadonlyMap<number, Code> {
  const rules = new Map<number, SeccompRule[]>();
  for (const rule of list.syscalls) {
    for (const name of rule.names) {
      const number = numbers.get(name);
      if (number !== undefined) rules.set(number, [...(rules.get(number) ?? []), rule]);
    }
  }
  return new Map([...rules].map(([number, own]) => [number, answers(own, otherwise)]));
}

/** Rules of one call exclude each other, so the first that matches is the only one. */
function answers(rules: readonly SeccompRule[], otherwise: Instruction): Code {
  const code = rules.flatMap((rule) => {
    const verdict = give(rule.action === 'SCMP_ACT_ALLOW' ? RET_ALLOW : RET_ERRNO | (rule.errnoRet ?? 0));
    return failingOver([...(rule.args ?? []).flatMap(test), verdict]);
  });
  const last = rules.at(-1);
  return last?.args === undefined ? code : [...code, otherwise];
}

/** Stands for "not this rule" until it is known how far that is. */
const FAIL = 255;

function failingOver(code: Code): Code {
  return code.map((one, at) => ({
    ...one,
    jt: one.jt === FAIL ? code.length - at - 1 : one.jt,
    jf: one.jf === FAIL ? code.length - at - 1 : one.jf,
  }));
}

/** Goes on where the argument, all 64 bits of it, is as the rule says. */
function test({ index, value, valueTwo, op }: SeccompArg): Code {
  const low = load(AT_ARGS + index * 8);
  const high = load(AT_ARGS + index * 8 + 4);
  const [lower, upper] = halves(value);
  const must = (code: number, k: number): Instruction => ({ code, jt: 0, jf: FAIL, k });
  if (op === 'SCMP_CMP_EQ') return [high, must(OP.JEQ, upper), low, must(OP.JEQ, lower)];
  if (op === 'SCMP_CMP_GT') {
    const above: Instruction = { code: OP.JGT, jt: 3, jf: 0, k: upper };
    return [high, above, must(OP.JEQ, upper), low, must(OP.JGT, lower)];
  }
  const [wantLow, wantHigh] = halves(valueTwo ?? 0);
  const masked = (word: Instruction, mask: number, want: number): Code =>
    mask === 0 ? [] : [word, { code: OP.AND, jt: 0, jf: 0, k: mask }, must(OP.JEQ, want)];
  return [...masked(high, upper, wantHigh), ...masked(low, lower, wantLow)];
}

function halves(value: number): readonly [low: number, high: number] {
  return [value % 2 ** 32, Math.floor(value / 2 ** 32)];
}

interface Range {
  /** The first number of it; it ends where the next one begins. */
  readonly from: number;
  readonly code: Code;
}

/** All numbers, in as few ranges as there are changes of the answer. */
function rangesOf(calls: readonly (readonly [number, Code])[], otherwise: Code): readonly Range[] {
  const ranges: Range[] = [{ from: 0, code: otherwise }];
  const put = (from: number, code: Code) => {
    const last = ranges.at(-1) as Range;
    if (last.from === from) ranges.pop();
    const before = ranges.at(-1);
    if (before === undefined || !same(before.code, code)) ranges.push({ from, code });
  };
  for (const [number, code] of calls) {
    put(number, code);
    put(number + 1, otherwise);
  }
  return ranges;
}

function same(a: Code, b: Code): boolean {
  return a.length === 1 && b.length === 1 && a[0]?.k === b[0]?.k;
}

/** Halves what is left with each test, so that the dearest call costs a dozen of them. */
function search(ranges: readonly Range[]): Code {
  const middle = Math.floor(ranges.length / 2);
  const pivot = ranges[middle];
  if (pivot === undefined || ranges.length === 1) return ranges[0]?.code ?? [];
  return branch(OP.JGE, pivot.from, search(ranges.slice(middle)), search(ranges.slice(0, middle)));
}
