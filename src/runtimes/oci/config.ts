import { NS_NET_PATH, NS_USER_PATH } from '../../host/helper/port.ts';
import type { OciMount } from './mounts.ts';
import { mountsFor } from './mounts.ts';
import { MASKED_PATHS, READONLY_PATHS } from './paths.ts';
import type { OciProcess } from './process.ts';
import type { Seccomp } from './seccomp.ts';

export interface OciConfig {
  readonly ociVersion: string;
  readonly process: OciProcess;
  readonly root: { readonly path: string; readonly readonly: boolean };
  readonly hostname: string;
  readonly mounts: readonly OciMount[];
  readonly annotations?: Readonly<Record<string, string>>;
  readonly linux: {
    readonly namespaces: readonly { readonly type: string; readonly path?: string }[];
    readonly uidMappings?: readonly IdMapping[];
    readonly gidMappings?: readonly IdMapping[];
    readonly maskedPaths: readonly string[];
    readonly readonlyPaths: readonly string[];
    readonly seccomp?: Seccomp;
  };
}

interface IdMapping {
  readonly containerID: number;
  readonly hostID: number;
  readonly size: number;
}

export interface ConfigOrder {
  readonly id: string;
  readonly process: OciProcess;
  readonly rootMount: string;
  /** `entered`: the runtime is already inside the user and network namespaces; it makes the others. */
  readonly joins: 'paths' | 'entered';
  readonly ids: { readonly hostBase: number; readonly count: number };
  readonly memoryBytes: number;
  readonly seccomp?: Seccomp;
  /** Hints to the runtime. */
  readonly annotations?: Readonly<Record<string, string>>;
}

/**
 * The whole description of one sandbox for crun, runc or runsc. The user namespace and the network namespace that it owns
 * are joined by path: made by the runtime from a config, the network namespace would belong to the host's user namespace.
 */
export function ociConfig(order: ConfigOrder): OciConfig {
  const mapping = [{ containerID: 0, hostID: order.ids.hostBase, size: order.ids.count }];
  const joined = [
    { type: 'user', path: NS_USER_PATH },
    { type: 'network', path: NS_NET_PATH },
  ];
  const made = ['mount', 'pid', 'ipc', 'uts', 'cgroup'].map((type) => ({ type }));
  return {
    ociVersion: '1.0.2',
    process: order.process,
    root: { path: order.rootMount, readonly: false },
    hostname: order.id,
    mounts: mountsFor(order.memoryBytes),
    ...(order.annotations && { annotations: order.annotations }),
    linux: {
      namespaces: order.joins === 'paths' ? [...joined, ...made] : made,
      ...(order.joins === 'paths' && { uidMappings: mapping, gidMappings: mapping }),
      maskedPaths: MASKED_PATHS,
      readonlyPaths: READONLY_PATHS,
      ...(order.seccomp && { seccomp: order.seccomp }),
    },
  };
}
