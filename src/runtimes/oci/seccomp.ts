import { ALLOWED, REFUSED } from './seccomp-groups.ts';

/** The `linux.seccomp` part of an OCI config, as far as we use it. */
export interface SeccompArg {
  readonly index: number;
  readonly value: number;
  readonly valueTwo?: number;
  readonly op: 'SCMP_CMP_EQ' | 'SCMP_CMP_GT' | 'SCMP_CMP_MASKED_EQ';
}
export interface SeccompRule {
  readonly names: readonly string[];
  readonly action: 'SCMP_ACT_ALLOW' | 'SCMP_ACT_ERRNO';
  readonly errnoRet?: number;
  readonly args?: readonly SeccompArg[];
}
export interface Seccomp {
  readonly defaultAction: 'SCMP_ACT_ERRNO';
  readonly defaultErrnoRet: number;
  readonly architectures: readonly string[];
  readonly syscalls: readonly SeccompRule[];
}

const EPERM = 1;
const ENOSYS = 38;
const EAFNOSUPPORT = 97;

const AF_UNIX = 1;
const AF_INET = 2;
const AF_INET6 = 10;
const AF_NETLINK = 16;
const NETLINK_ROUTE = 0;
/** libc asks the routing netlink for interfaces; no other netlink protocol is of use to a program without capabilities. */
const FAMILIES_ALLOWED = [AF_UNIX, AF_INET, AF_INET6];

/** clone flags that make a namespace: mnt, cgroup, uts, ipc, user, pid, net. (The time namespace needs clone3 or unshare.) */
export const NEW_NAMESPACE_FLAGS = [
  0x00020000, 0x02000000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000,
] as const;
const NEW_NAMESPACE_MASK = NEW_NAMESPACE_FLAGS.reduce((mask, flag) => mask + flag, 0);

/** Puts characters into the input queue of a terminal; both have led out of sandboxes that shared one. */
export const TIOCSTI = 0x5412;
export const TIOCLINUX = 0x541c;

/** `personality()` as a question only. */
const PERSONALITY_QUERY = 0xffffffff;

const ARCHITECTURES: Readonly<Record<string, string>> = { x64: 'SCMP_ARCH_X86_64', arm64: 'SCMP_ARCH_AARCH64' };

/**
 * One architecture only: calls by the 32-bit and x32 tables end the program.
 * @param arch Node's name of the processor architecture
 */
export function seccompFor(arch: string, capabilities: readonly string[]): Seccomp {
  const chroot = capabilities.includes('SYS_CHROOT');
  const key = `${arch} ${chroot}`;
  const made = lists.get(key) ?? listFor(arch, chroot);
  lists.set(key, made);
  return made;
}

/** The list depends on these two only: one for each pair is made, and shared. */
const lists = new Map<string, Seccomp>();

function listFor(arch: string, chroot: boolean): Seccomp {
  const architecture = ARCHITECTURES[arch];
  if (architecture === undefined) throw new Error(`there is no seccomp list for ${arch}`);
  const allowed = ALLOWED.flatMap((group) => group.calls);
  const refused = REFUSED.flatMap((group) => group.calls).filter(
    (call) => call !== 'personality' && !(chroot && call === 'chroot'),
  );
  return {
    defaultAction: 'SCMP_ACT_ERRNO',
    defaultErrnoRet: ENOSYS,
    architectures: [architecture],
    syscalls: [
      allow(chroot ? [...allowed, 'chroot'] : allowed),
      refuse(refused, EPERM),
      ...cloneRules(),
      ...socketRules('socket'),
      ...socketRules('socketpair'),
      ...ioctlRules(),
      allow(['personality'], [{ index: 0, value: 0, op: 'SCMP_CMP_EQ' }]),
      allow(['personality'], [{ index: 0, value: PERSONALITY_QUERY, op: 'SCMP_CMP_EQ' }]),
    ],
  };
}

function allow(names: readonly string[], args?: readonly SeccompArg[]): SeccompRule {
  return { names, action: 'SCMP_ACT_ALLOW', ...(args && { args }) };
}

function refuse(names: readonly string[], errnoRet: number, args?: readonly SeccompArg[]): SeccompRule {
  return { names, action: 'SCMP_ACT_ERRNO', errnoRet, ...(args && { args }) };
}

/** clone3 hides its flags in memory, where a filter can't look: it answers ENOSYS and libc uses clone, whose flags are seen. */
function cloneRules(): SeccompRule[] {
  const without: SeccompArg = { index: 0, value: NEW_NAMESPACE_MASK, valueTwo: 0, op: 'SCMP_CMP_MASKED_EQ' };
  const refusals = NEW_NAMESPACE_FLAGS.map((flag) =>
    refuse(['clone'], EPERM, [{ index: 0, value: flag, valueTwo: flag, op: 'SCMP_CMP_MASKED_EQ' }]),
  );
  return [allow(['clone'], [without]), ...refusals];
}

function socketRules(name: string): SeccompRule[] {
  const family = (value: number): SeccompArg => ({ index: 0, value, op: 'SCMP_CMP_EQ' });
  const rules = FAMILIES_ALLOWED.map((value) => allow([name], [family(value)]));
  rules.push(allow([name], [family(AF_NETLINK), { index: 2, value: NETLINK_ROUTE, op: 'SCMP_CMP_EQ' }]));
  rules.push(
    refuse([name], EAFNOSUPPORT, [family(AF_NETLINK), { index: 2, value: NETLINK_ROUTE, op: 'SCMP_CMP_GT' }]),
    refuse([name], EAFNOSUPPORT, [{ index: 0, value: AF_NETLINK, op: 'SCMP_CMP_GT' }]),
  );
  for (let value = 0; value < AF_NETLINK; value += 1) {
    if (!FAMILIES_ALLOWED.includes(value)) rules.push(refuse([name], EAFNOSUPPORT, [family(value)]));
  }
  return rules;
}

/**
 * Any request but the two is allowed. The kernel looks at the low 32 bits only, and "not equal" of the filter library at
 * all 64, so a request with a high bit set would slip through it. Instead: allowed is a request that differs from both in a
 * bit where they agree, or that agrees with neither in the bits where they differ.
 */
function ioctlRules(): SeccompRule[] {
  const differing = TIOCSTI ^ TIOCLINUX;
  const rules: SeccompRule[] = [];
  const masked = (mask: number, value: number) => {
    rules.push(allow(['ioctl'], [{ index: 1, value: mask, valueTwo: value, op: 'SCMP_CMP_MASKED_EQ' }]));
  };
  for (let bit = 0; bit < 32; bit += 1) {
    const mask = 2 ** bit;
    if ((differing & mask) === 0) masked(mask, (TIOCSTI & mask) === 0 ? mask : 0);
  }
  for (let value = 0; value <= differing; value += 1) {
    const inside = (value & differing) === value;
    if (inside && value !== (TIOCSTI & differing) && value !== (TIOCLINUX & differing)) masked(differing, value);
  }
  return rules;
}
