import type { FakeMachine } from './fake-machine.ts';

/** For tests: one way in which a check must go red, and what the report must say. Every check has at least one. */
export interface Breakage {
  readonly check: string;
  readonly when: string;
  readonly status: 'warn' | 'fail';
  readonly says: RegExp;
  readonly breakIt: (machine: FakeMachine) => void;
}

const kit = (found: 'of another version' | 'none') => (machine: FakeMachine) => {
  machine.facts.kit = async () => found;
};

/** Of what virtual machines stand on. */
export const MACHINE_BREAKAGES: readonly Breakage[] = [
  { check: 'machines.kit', when: 'nobody made one', status: 'warn', says: /not made/, breakIt: kit('none') },
  {
    check: 'machines.kit',
    when: 'Arc is newer than it',
    status: 'warn',
    says: /another version/,
    breakIt: kit('of another version'),
  },
  {
    check: 'machines.kvm',
    when: 'there is none',
    status: 'warn',
    says: /no .dev.kvm/,
    breakIt: (machine) => machine.present.delete('/dev/kvm'),
  },
];
