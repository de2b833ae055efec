import { type Check, ok, warn } from '../check.ts';

/** What the levels with a virtual machine stand on. Nothing else needs it, so nothing here is a failure. */
export const machineChecks: readonly Check[] = [
  {
    id: 'machines.kit',
    title: 'Kit for virtual machines',
    cost: 'the level microvm is not to be had',
    fix: 'Run `arc kit` as root, then start Arc again.',
    look: async (_probe, { kit }) => {
      const found = await kit();
      if (found === 'none') return warn('not made');
      if (found === 'of another version') return warn('made by another version of Arc');
      return ok(`kernel ${found.kernel}`);
    },
  },
  {
    id: 'machines.kvm',
    title: 'Virtualisation (KVM)',
    cost: 'virtual machines are emulated, which is slow; Firecracker and Kata can not be used',
    fix: "Switch virtualisation on in the firmware, or nested virtualisation in this machine's host; load kvm_intel or kvm_amd.",
    look: (probe) => (probe.exists('/dev/kvm') ? ok('/dev/kvm') : warn('there is no /dev/kvm')),
  },
];
