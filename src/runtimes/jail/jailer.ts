import type { OciConfig } from '../oci/config.ts';

/** A program that makes jails: what differs between bubblewrap and nsjail, as a value. */
export interface Jailer {
  readonly name: 'bwrap' | 'nsjail';
  /** The whole command line, absolute path first; its last part is the jail's first process. */
  argv(order: JailOrder): readonly string[];
}

/** What a jail is made from. The same document as a container's, so that the two are confined alike where both can. */
export interface JailOrder {
  readonly oci: OciConfig;
  /** Absolute path of the jailer. */
  readonly program: string;
  /**
   * `joined`: it is started as root of a user namespace, inside the network namespace that this owns.
   * `own`: it makes both, as any user may where user namespaces are allowed.
   */
  readonly namespaces: 'joined' | 'own';
  /** Of the masked paths those that this kernel has. */
  readonly masked: readonly Mask[];
  /** Of the host, shown read-only at the same place; empty unless the template's root is the host's programs. */
  readonly host: readonly string[];
}

export interface Mask {
  readonly path: string;
  /** `readonly`: to be looked at; the others are replaced by nothing. */
  readonly kind: 'file' | 'dir' | 'readonly';
}

/** Descriptors at which `arc-jail start` (`native/jail/arc-jail.c`) leaves things for what comes after it. */
export const FD_FILTER = 90;
export const FD_SELF = 94;
export const INIT_ARGV = [`/proc/self/fd/${FD_SELF}`, 'init'] as const;

/**
 * What the jail's first process needs: to become the user of a command, to empty that one's bounding set, and to pass
 * signals on. A command is left none of them.
 */
export const INIT_CAPABILITIES = ['CAP_SETUID', 'CAP_SETGID', 'CAP_SETPCAP', 'CAP_KILL'] as const;

/** As a tmpfs wants it: bytes, or `0` where the document mounts none. */
export function sharedMemoryBytes(oci: OciConfig): string {
  const shm = oci.mounts.find(({ destination }) => destination === '/dev/shm');
  return shm?.options.find((option) => option.startsWith('size='))?.slice('size='.length) ?? '0';
}

export function heldCapabilities(oci: OciConfig): readonly string[] {
  return [...new Set([...INIT_CAPABILITIES, ...oci.process.capabilities.bounding])];
}
