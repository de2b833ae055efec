import type { Need } from '../setup/index.ts';

const need = (name: string, seenAs: string, packages: string, purpose: string): Need => ({
  ...{ name, seenAs: [seenAs], packages: packages.split(' '), purpose, required: true },
  cost: 'the level microvm is not to be had here',
});

/** What virtual machines need beside what every sandbox does; `arc kit` installs it, and nothing else does. */
export const KIT_NEEDS: readonly Need[] = [
  need('QEMU', 'qemu-system-x86_64', 'qemu-system-x86', 'runs the machines'),
  need('mkfs.erofs', 'mkfs.erofs', 'erofs-utils', "makes a template's root a disk that all its machines share"),
  need('bubblewrap', 'bwrap', 'bubblewrap', 'confines the machine monitor'),
  need('ip', 'ip', 'iproute2', "gives a machine its network card behind the sandbox's rules"),
  need('C compiler', 'cc', 'gcc', "builds the machines' first program"),
  need('C headers', '/usr/include/stdio.h', 'libc6-dev', "builds the machines' first program"),
];
