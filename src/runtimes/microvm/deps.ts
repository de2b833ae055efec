import type { Kit } from '../../host/kit/kit.ts';
import type { RootDisks } from '../../host/kit/root-disks.ts';
import type { Clock, Rng } from '../../kit/clock.ts';
import type { NodeParts } from '../oci/deps.ts';
import type { Monitor } from './monitor.ts';

export interface MicrovmDeps extends NodeParts {
  readonly monitor: Monitor;
  readonly kit: Kit;
  readonly rootDisks: RootDisks;
  /** Folder of saved machines. */
  readonly snapshotsDir: string;
  readonly clock: Clock;
  readonly rng: Rng;
  /** What is to be said of a sandbox here beside its level. */
  readonly note: string;
}
