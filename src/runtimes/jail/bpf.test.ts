import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { NEW_NAMESPACE_FLAGS, type Seccomp, seccompFor, TIOCLINUX, TIOCSTI } from '../oci/seccomp.ts';
import { ALLOWED, REFUSED } from '../oci/seccomp-groups.ts';
import { SYSCALLS } from '../oci/syscalls.ts';
import { compileFilter, filterCode, OP, RET_ALLOW, RET_ERRNO, RET_KILL } from './bpf.ts';

const ARCHS = { x64: 0xc000_003e, arm64: 0xc000_00b7 } as const;
type Arch = keyof typeof ARCHS;
const STEPS_MAX = 4096;

/** What the kernel's interpreter does with the program, for the instructions that it has. */
function kernel(code: ReturnType<typeof filterCode>, arch: number, number: number, args: readonly bigint[]): number {
  const word = (at: number): number => {
    if (at === 0) return number;
    if (at === 4) return arch;
    const arg = args[Math.floor((at - 16) / 8)] ?? 0n;
    return Number((at % 8 === 0 ? arg : arg >> 32n) & 0xffff_ffffn);
  };
  let loaded = 0;
  for (let at = 0, steps = 0; steps < STEPS_MAX; steps += 1) {
    const one = code[at];
    assert.ok(one, `jumped out of the program, to ${at}`);
    at += 1;
    const { code: op, k, jt, jf } = one;
    if (op === OP.RET) return k;
    if (op === OP.LD_ABS) loaded = word(k);
    else if (op === OP.AND) loaded = (loaded & k) >>> 0;
    else if (op === OP.JA) at += k;
    else at += (op === OP.JEQ ? loaded === k : op === OP.JGT ? loaded > k : loaded >= k) ? jt : jf;
  }
  return assert.fail('it does not end');
}

/** What the list says, read as the filter library reads it: rules of one call exclude each other. */
function listed(list: Seccomp, call: string, args: readonly bigint[]): number {
  const rule = list.syscalls.find(
    ({ names, args: wanted = [] }) =>
      names.includes(call) &&
      wanted.every(({ index, value, valueTwo, op }) => {
        const [actual, want] = [args[index] ?? 0n, BigInt(value)];
        if (op === 'SCMP_CMP_EQ') return actual === want;
        return op === 'SCMP_CMP_GT' ? actual > want : (actual & want) === BigInt(valueTwo ?? 0);
      }),
  );
  if (rule === undefined) return RET_ERRNO | list.defaultErrnoRet;
  return rule.action === 'SCMP_ACT_ALLOW' ? RET_ALLOW : RET_ERRNO | (rule.errnoRet ?? 0);
}

const interesting = [
  0,
  1,
  2,
  9,
  10,
  12,
  15,
  16,
  17,
  38,
  0xffffffff,
  0x40000,
  TIOCSTI,
  TIOCLINUX,
  ...NEW_NAMESPACE_FLAGS,
];
const low = fc.oneof(fc.nat({ max: 0xffff_ffff }), fc.constantFrom(...interesting)).map(BigInt);
const argument = fc.tuple(low, fc.oneof(fc.constant(0n), low)).map(([a, b]) => (b << 32n) | a);

for (const arch of Object.keys(ARCHS) as Arch[]) {
  for (const capabilities of [[], ['SYS_CHROOT']]) {
    const list = seccompFor(arch, capabilities);
    const code = filterCode(list, arch);
    const numbers = SYSCALLS[arch] ?? new Map<string, number>();
    const title = `${arch}${capabilities.length > 0 ? ' with chroot' : ''}`;

    test(`the program answers every listed call as the list does, whatever its arguments (${title})`, () => {
      const call = fc.constantFrom(...numbers.keys());
      fc.assert(
        fc.property(call, fc.tuple(argument, argument, argument), (name, args) => {
          assert.equal(kernel(code, ARCHS[arch], numbers.get(name) ?? -1, args), listed(list, name, args), name);
        }),
        { numRuns: 3000 },
      );
      for (const name of numbers.keys()) {
        assert.equal(kernel(code, ARCHS[arch], numbers.get(name) ?? -1, []), listed(list, name, []), name);
      }
    });

    test(`every number that is not listed answers as a call that does not exist (${title})`, () => {
      const taken = new Set(numbers.values());
      const all = [...Array(600).keys(), 1999, 0x3fff_ffff, 0xffff_ffff];
      for (const number of all.filter((one) => !taken.has(one))) {
        assert.equal(kernel(code, ARCHS[arch], number, []), RET_ERRNO | 38, String(number));
      }
    });
  }
}

test('calls by another table end the program', () => {
  const code = filterCode(seccompFor('x64', []), 'x64');
  assert.equal(kernel(code, 0x4000_0003, 20, []), RET_KILL);
  assert.equal(kernel(code, ARCHS.arm64, 0, []), RET_KILL);
  for (const number of [0x4000_0000, 0x4000_0027, 0x7fff_ffff, 0xffff_fffe]) {
    assert.equal(kernel(code, ARCHS.x64, number, []), RET_KILL, String(number));
  }
});

test('socket families and namespaces are refused by the program as by the list', () => {
  const list = seccompFor('x64', []);
  const code = filterCode(list, 'x64');
  for (let family = 0n; family < 64n; family += 1n) {
    for (const protocol of [0n, 9n, 12n, 1n << 32n]) {
      const args = [family, 3n, protocol];
      assert.equal(kernel(code, ARCHS.x64, 41, args), listed(list, 'socket', args), `${family} ${protocol}`);
    }
  }
  for (const flag of NEW_NAMESPACE_FLAGS) {
    assert.equal(kernel(code, ARCHS.x64, 56, [BigInt(flag) | 17n]), RET_ERRNO | 1, flag.toString(16));
  }
});

test('the lists name no call that the table of x86-64 lacks', () => {
  const names = [...ALLOWED, ...REFUSED].flatMap(({ calls }) => calls);
  assert.deepEqual(
    names.filter((name) => !SYSCALLS.x64?.has(name)),
    [],
  );
});

test('an instruction is eight bytes, as the kernel wants them, and a strange processor is refused', () => {
  const bytes = compileFilter(seccompFor('x64', []), 'x64');
  assert.equal(bytes.length % 8, 0);
  assert.deepEqual([...bytes.subarray(0, 8)], [0x20, 0, 0, 0, 4, 0, 0, 0]);
  assert.throws(() => compileFilter(seccompFor('x64', []), 'mips'), /no seccomp filter for mips/);
});
