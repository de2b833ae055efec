import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { NEW_NAMESPACE_FLAGS, type Seccomp, type SeccompArg, seccompFor, TIOCLINUX, TIOCSTI } from './seccomp.ts';
import { ALLOWED, REFUSED } from './seccomp-groups.ts';

const list = seccompFor('x64', []);

/** What the kernel would answer: `allow`, or the errno. Rules for one call must not overlap, so the first match is the only one. */
function judge(seccomp: Seccomp, call: string, args: readonly bigint[] = []): 'allow' | number {
  const matching = seccomp.syscalls.filter(
    (rule) => rule.names.includes(call) && (rule.args ?? []).every((arg) => matches(arg, args[arg.index] ?? 0n)),
  );
  const answers = new Set(matching.map((rule) => (rule.action === 'SCMP_ACT_ALLOW' ? 'allow' : (rule.errnoRet ?? 0))));
  assert.ok(answers.size <= 1, `${call} has rules that contradict each other`);
  const [answer] = answers;
  return answer ?? seccomp.defaultErrnoRet;
}

function matches(arg: SeccompArg, actual: bigint): boolean {
  const value = BigInt(arg.value);
  if (arg.op === 'SCMP_CMP_EQ') return actual === value;
  if (arg.op === 'SCMP_CMP_GT') return actual > value;
  return (actual & value) === BigInt(arg.valueTwo ?? 0);
}

test('a call that nobody listed answers ENOSYS', () => {
  assert.equal(judge(list, 'some_call_of_the_future'), 38);
  assert.equal(judge(list, 'clone3'), 38);
});

test('what is not listed is refused, on every processor and whatever a template asks for', () => {
  for (const arch of ['x64', 'arm64']) {
    for (const capabilities of [[], ['SYS_CHROOT']]) {
      const { defaultAction, defaultErrnoRet, architectures } = seccompFor(arch, capabilities);
      assert.deepEqual([defaultAction, defaultErrnoRet, architectures.length], ['SCMP_ACT_ERRNO', 38, 1]);
    }
  }
});

test('what has led out of sandboxes elsewhere is refused by name, so that no one lists it by accident', () => {
  const names =
    'mount umount2 pivot_root fsopen fsmount move_mount open_tree mount_setattr setns unshare ptrace process_vm_readv bpf ' +
    'keyctl add_key request_key userfaultfd io_uring_setup io_uring_enter io_uring_register perf_event_open kexec_load ' +
    'kexec_file_load open_by_handle_at init_module finit_module delete_module pidfd_getfd kcmp chroot reboot syslog iopl';
  for (const call of names.split(' ')) assert.equal(judge(list, call), 1, call);
  for (const [family, protocol] of [
    [38n, 0n],
    [40n, 0n],
    [17n, 0n],
    [16n, 9n],
  ] as const) {
    assert.equal(judge(list, 'socket', [family, 3n, protocol]), 97, `family ${family}`);
  }
});

test('every refused group is refused with EPERM and every allowed one is allowed', () => {
  for (const call of REFUSED.flatMap((group) => group.calls)) {
    assert.equal(judge(list, call, [0x40000n]), call === 'personality' ? 38 : 1, call);
  }
  for (const call of ALLOWED.flatMap((group) => group.calls)) assert.equal(judge(list, call), 'allow', call);
});

test('no call is both allowed and refused, and none is listed twice', () => {
  const names = [...ALLOWED, ...REFUSED].flatMap((group) => group.calls);
  assert.equal(new Set(names).size, names.length);
});

test('every group says why', () => {
  for (const group of [...ALLOWED, ...REFUSED]) assert.ok(group.reason.length > 10, group.name);
});

test('ioctl allows every request but the two that write into terminals, whatever the upper 32 bits are', () => {
  const request = fc.oneof(fc.bigInt(0n, 2n ** 64n - 1n), fc.constantFrom(BigInt(TIOCSTI), BigInt(TIOCLINUX)));
  const high = fc.bigInt(0n, 2n ** 32n - 1n);
  fc.assert(
    fc.property(request, high, (low, upper) => {
      const value = (upper << 32n) | (low & 0xffff_ffffn);
      const evil = Number(low & 0xffff_ffffn) === TIOCSTI || Number(low & 0xffff_ffffn) === TIOCLINUX;
      assert.equal(judge(list, 'ioctl', [0n, value]), evil ? 38 : 'allow');
    }),
    { numRuns: 2000 },
  );
});

test('every single-bit neighbour of the two terminal requests is allowed', () => {
  for (const evil of [TIOCSTI, TIOCLINUX]) {
    for (let bit = 0n; bit < 32n; bit += 1n) {
      const near = BigInt(evil) ^ (1n << bit);
      assert.equal(judge(list, 'ioctl', [0n, near]), 'allow', near.toString(16));
    }
  }
});

test('clone makes processes and threads and no namespace', () => {
  assert.equal(judge(list, 'clone', [0x01200011n]), 'allow');
  assert.equal(judge(list, 'clone', [0x003d0f00n]), 'allow');
  for (const flag of NEW_NAMESPACE_FLAGS) assert.equal(judge(list, 'clone', [BigInt(flag) | 17n]), 1);
  assert.equal(judge(list, 'clone', [0x10000000n | (1n << 40n)]), 1);
});

test('sockets are unix, inet, inet6 and routing netlink, and nothing else', () => {
  for (let family = 0n; family < 80n; family += 1n) {
    const open = [1n, 2n, 10n, 16n].includes(family);
    assert.equal(judge(list, 'socket', [family, 1n, 0n]), open ? 'allow' : 97, `family ${family}`);
  }
  assert.equal(judge(list, 'socket', [16n, 3n, 9n]), 97);
});

test('chroot is allowed only to a template that asks for it', () => {
  assert.equal(judge(list, 'chroot'), 1);
  assert.equal(judge(seccompFor('x64', ['SYS_CHROOT']), 'chroot'), 'allow');
});

test('personality can be asked and not changed', () => {
  assert.equal(judge(list, 'personality', [0xffffffffn]), 'allow');
  assert.equal(judge(list, 'personality', [0n]), 'allow');
  assert.equal(judge(list, 'personality', [0x0040000n]), 38);
});

test('a processor without a list is refused rather than left open', () => {
  assert.throws(() => seccompFor('mips', []), /no seccomp list/);
});
