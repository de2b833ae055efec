/**
 * What this machine must have before Arc can start sandboxes. One row for each thing: where it is seen, which package
 * of Debian and Ubuntu brings it, what it is for, and what is lost without it. `setup` installs from this table, and
 * `doctor` reports from it, so the two can't disagree.
 */
export interface Need {
  /** How people call it. */
  readonly name: string;
  /** Any one of these is enough: a name is looked for along PATH, an absolute path as it is. */
  readonly seenAs: readonly string[];
  /** Serves in its place, less well: the need is then installed where it can be, and not required. */
  readonly standIns?: readonly string[];
  readonly packages: readonly string[];
  readonly purpose: string;
  readonly required: boolean;
  /** What one can't do without it. */
  readonly cost: string;
  /** Only needed when the helper has to be built. */
  readonly onlyForBuild?: boolean;
}

export const NEEDS: readonly Need[] = [
  {
    name: 'crun',
    seenAs: ['crun'],
    standIns: ['runc'],
    packages: ['crun'],
    purpose: 'starts sandboxes of the level container',
    required: true,
    cost: 'no sandbox of the level container can start',
  },
  {
    name: 'nft',
    seenAs: ['nft'],
    packages: ['nftables'],
    purpose: "holds the firewall between sandboxes, the host and the clouds' metadata addresses",
    required: true,
    cost: 'no sandbox can start, because nothing would refuse its traffic',
  },
  {
    name: 'mkfs.ext4',
    seenAs: ['mkfs.ext4'],
    packages: ['e2fsprogs'],
    purpose: "formats a sandbox's writable layer",
    required: true,
    cost: 'no sandbox with a disk limit can start',
  },
  {
    name: 'C compiler',
    seenAs: ['cc', 'gcc', 'clang'],
    packages: ['gcc'],
    purpose: 'builds the node helper',
    required: true,
    onlyForBuild: true,
    cost: 'the node helper can not be built, and without it no sandbox can start',
  },
  {
    name: 'C headers',
    seenAs: ['/usr/include/stdio.h'],
    packages: ['libc6-dev'],
    purpose: 'builds the node helper',
    required: true,
    onlyForBuild: true,
    cost: 'the node helper can not be built, and without it no sandbox can start',
  },
  {
    name: 'ip',
    seenAs: ['ip'],
    packages: ['iproute2'],
    purpose: 'raises a second barrier behind the firewall, and removes network interfaces that were left behind',
    required: false,
    cost: 'while another program has flushed the firewall nothing stands in its place; the level microvm is refused',
  },
  {
    name: 'runsc',
    seenAs: ['runsc'],
    packages: ['runsc'],
    purpose: 'gives the level gvisor',
    required: false,
    cost: 'the level gvisor is refused; the level container works',
  },
  {
    name: 'bubblewrap',
    seenAs: ['bwrap'],
    packages: ['bubblewrap'],
    purpose: 'gives the level jail, the cheapest start',
    required: false,
    cost: 'the level jail is refused, and with it the template `host`; the level container works',
  },
  {
    name: 'busybox',
    seenAs: ['busybox'],
    packages: ['busybox-static'],
    purpose: 'is the shell of the built-in templates',
    required: false,
    cost: 'the built-in templates `shell`, `whoami` and `vulnerable-notes` are not there',
  },
  {
    name: 'python3',
    seenAs: ['python3'],
    packages: ['python3'],
    purpose: 'is what the built-in template `python` is made from',
    required: false,
    cost: 'the built-in template `python` is not there',
  },
];
