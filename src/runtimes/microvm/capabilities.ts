/** Numbers of the capabilities that a template may name, as linux/capability.h has them. */
const NUMBERS = [
  'CHOWN',
  'DAC_OVERRIDE',
  'DAC_READ_SEARCH',
  'FOWNER',
  'FSETID',
  'KILL',
  'SETGID',
  'SETUID',
  'SETPCAP',
  'LINUX_IMMUTABLE',
  'NET_BIND_SERVICE',
  'NET_BROADCAST',
  'NET_ADMIN',
  'NET_RAW',
  'IPC_LOCK',
  'IPC_OWNER',
  'SYS_MODULE',
  'SYS_RAWIO',
  'SYS_CHROOT',
  'SYS_PTRACE',
  'SYS_PACCT',
  'SYS_ADMIN',
  'SYS_BOOT',
  'SYS_NICE',
  'SYS_RESOURCE',
  'SYS_TIME',
  'SYS_TTY_CONFIG',
  'MKNOD',
  'LEASE',
  'AUDIT_WRITE',
  'AUDIT_CONTROL',
  'SETFCAP',
];

/** As a mask in hexadecimal; a name that is not known gives nothing. */
export function capabilityMask(names: readonly string[]): string {
  const numbers = names.map((name) => NUMBERS.indexOf(name)).filter((number) => number >= 0);
  return numbers.reduce((mask, number) => mask | (1n << BigInt(number)), 0n).toString(16);
}
