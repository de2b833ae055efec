import type { Check, Expectation } from './check.ts';
import type { Facts } from './facts.ts';

const EPERM = '1';
const ENOSYS = '38';
/** By which the filter refuses; whatever else comes back was said by the kernel, which so was reached. */
const REFUSED = new Set([EPERM, ENOSYS]);
const KILLED_BY_FILTER = 'killed 31';

/** Families that may be opened: Unix, IPv4, IPv6, and of netlink the routing one. */
const FAMILIES = new Set(['socket-1', 'socket-2', 'socket-10', 'socket-16']);

function allowed(facts: Facts, pattern: RegExp): readonly string[] {
  return facts
    .of('try')
    .filter(([name = '', outcome]) => pattern.test(name) && outcome === 'ok')
    .map(([name]) => `${name} was allowed`);
}

function tried(facts: Facts, names: readonly string[]): readonly string[] {
  const known = new Set(facts.all('try'));
  return names.filter((name) => !known.has(name)).map((name) => `it did not try ${name}`);
}

function reached(facts: Facts, { calls, callName }: Expectation): readonly string[] {
  return facts
    .of('call')
    .filter(
      ([number, outcome = '']) => !calls.has(Number(number)) && !REFUSED.has(outcome) && outcome !== KILLED_BY_FILTER,
    )
    .map(([number, outcome]) => `call ${number} (${callName(Number(number))}) reached the kernel: ${outcome}`);
}

/** What the program may ask of the kernel. */
export const CALL_CHECKS: readonly Check[] = [
  {
    id: 'calls.list',
    title: 'every system call that is not on the list is refused, and every number that does not exist',
    ownKernel: 'its calls are answered by a kernel of its own',
    find: (facts, expected) => {
      const count = facts.of('call').length;
      return count < 500 ? [`only ${count} calls were tried`] : reached(facts, expected);
    },
  },
  {
    id: 'calls.namespaces',
    title: 'no namespace can be made or entered',
    ownKernel: 'namespaces there are of a kernel of its own',
    find: (facts) => [
      ...tried(facts, ['unshare-user', 'unshare-time', 'clone-user', 'clone-user-high-bits', 'clone3-user', 'setns']),
      ...allowed(facts, /^(unshare|clone|clone3)-|^setns$/),
    ],
  },
  {
    id: 'calls.tables',
    title: 'the tables of other kinds of programs are closed',
    ownKernel: 'its calls are answered by a kernel of its own',
    find: (facts) => allowed(facts, /^table-/),
  },
  {
    id: 'calls.trace',
    title: 'no process can be traced',
    ownKernel: 'only processes of a kernel of its own could be',
    find: (facts) => [...tried(facts, ['ptrace']), ...allowed(facts, /^ptrace$/)],
  },
  {
    id: 'calls.sockets',
    title: 'only sockets of Unix, IPv4, IPv6 and the routing netlink can be opened',
    find: (facts, { kernel }) => [
      ...tried(facts, ['socket-40', 'socket-38', 'netlink-9', 'socket-packet', 'socket-raw4', 'socket-raw6']),
      ...allowed(facts, /^socket-(packet|raw[46])$/),
      ...(kernel === 'own' ? [] : allowed(facts, /^netlink-/)),
      ...(kernel === 'own'
        ? []
        : allowed(facts, /^socket-\d+$/).filter((text) => !FAMILIES.has(text.split(' ')[0] ?? ''))),
    ],
  },
  {
    id: 'calls.terminal',
    title: 'nothing can be put into the input of a terminal',
    ownKernel: 'its terminals are of a kernel of its own',
    find: (facts) =>
      ['tiocsti', 'tiocsti-high-bits', 'tioclinux'].flatMap((name) => {
        const outcome = facts.value('try', name);
        return REFUSED.has(outcome ?? '') ? [] : [`${name} reached the kernel: ${outcome ?? 'not tried'}`];
      }),
  },
  {
    id: 'calls.root',
    title: 'no second root and no other personality',
    find: (facts, { kernel }) => [
      ...allowed(facts, /^chroot$/),
      ...(kernel === 'own' ? [] : allowed(facts, /^personality$/)),
    ],
  },
];
