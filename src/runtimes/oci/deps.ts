import type { Freezer } from '../../host/cgroups/freezer.ts';
import type { Blanks } from '../../host/disk/blanks.ts';
import type { NodeHelper } from '../../host/helper/port.ts';
import type { LayerCopies } from '../../host/layers/layer-copies.ts';
import type { Admission } from '../../host/network/firewall.ts';
import type { NetworkPlan } from '../../host/network/plan.ts';
import type { Logger } from '../../kit/logger.ts';
import type { Run } from '../../kit/run.ts';
import type { Flavour } from './flavour.ts';
import type { ProcessLimits } from './process.ts';
import type { Records } from './record.ts';

/** What every flavour of the OCI runtime needs of its node. */
export interface NodeParts {
  readonly helper: NodeHelper;
  readonly plan: NetworkPlan;
  /** Rules are in place when it resolves; the folder of the sandbox must be there. */
  readonly admit: (admission: Admission) => Promise<void>;
  readonly freezer: Freezer;
  readonly blanks: Blanks;
  readonly copies: LayerCopies;
  readonly records: Records;
  /** Holds one folder for each sandbox. */
  readonly sandboxesDir: string;
  /** An empty folder that everybody may pass through. */
  readonly rootMount: string;
  readonly resolvers: readonly string[];
  readonly limits: ProcessLimits;
  /** Node's name of the processor architecture. */
  readonly arch: string;
  readonly run: Run;
  /** The end of what a sandbox, or its runtime in its place, has printed. */
  readonly lastOutput: (id: string) => Promise<string>;
  readonly log: Logger;
}

export interface OciDeps extends NodeParts {
  readonly flavour: Flavour;
  /** Absolute path of the runtime. */
  readonly program: string;
  /** Absolute path of `nsenter`, for the flavours that must be started inside the namespaces. */
  readonly nsenter: string;
}
