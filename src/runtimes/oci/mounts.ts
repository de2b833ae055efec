/** A mount of an OCI config. */
export interface OciMount {
  readonly destination: string;
  readonly type: string;
  readonly source: string;
  readonly options: readonly string[];
}

const MIB = 1024 * 1024;
/** Device nodes only; anything else a program writes to /dev ends here. */
const DEV_BYTES = 65_536;
const SHM_BYTES_MAX = 64 * MIB;

/**
 * All there is besides the root and the runtime's own device nodes: nothing of the host is bound in, and no cgroup
 * hierarchy is mounted.
 */
export function mountsFor(memoryBytes: number): readonly OciMount[] {
  const shm = Math.min(SHM_BYTES_MAX, Math.floor(memoryBytes / 2));
  return [
    mount('/proc', 'proc', ['nosuid', 'noexec', 'nodev']),
    mount('/dev', 'tmpfs', ['nosuid', 'noexec', 'strictatime', 'mode=755', `size=${DEV_BYTES}`]),
    mount('/dev/pts', 'devpts', ['nosuid', 'noexec', 'newinstance', 'ptmxmode=0666', 'mode=0620']),
    mount('/dev/shm', 'tmpfs', ['nosuid', 'noexec', 'nodev', 'mode=1777', `size=${shm}`]),
    mount('/dev/mqueue', 'mqueue', ['nosuid', 'noexec', 'nodev']),
    mount('/sys', 'sysfs', ['nosuid', 'noexec', 'nodev', 'ro']),
  ];
}

function mount(destination: string, type: string, options: readonly string[]): OciMount {
  return { destination, type, source: type, options };
}
