import { Worker } from 'node:worker_threads';
import { ArcError, type ErrorCode } from '../../contract/errors.ts';
import { planBase } from './base-part.ts';
import { planNode } from './node-part.ts';
import { planHost, planNotes, planWhoami } from './own-parts.ts';
import { planPython } from './python-part.ts';
import type { PlanEntry, RootPlan } from './root-plan.ts';

export type PartName = 'base' | 'python' | 'node' | 'whoami' | 'notes' | 'host';

export interface PlanJob {
  readonly name: PartName;
  /** Path of the binary that runs Arc. */
  readonly node: string;
  /** Path of the binary that `native/whoami.c` became. */
  readonly whoami: string;
  /** `examples/vulnerable-notes`. */
  readonly notes: string;
}

export interface PartPlan {
  readonly entries: ReadonlyMap<string, PlanEntry>;
  readonly key: string;
}

export type FromPlanner =
  | { readonly kind: 'planned'; readonly plan: PartPlan }
  | { readonly kind: 'failed'; readonly code: ErrorCode; readonly detail: string; readonly hint?: string };

/** Looks at thousands of files, synchronously. */
export function planPart({ name, node, whoami, notes }: PlanJob): PartPlan {
  const plan = planOf(name, node, whoami, notes);
  return { entries: plan.entries, key: plan.key() };
}

function planOf(name: PartName, node: string, whoami: string, notes: string): RootPlan {
  if (name === 'base') return planBase();
  if (name === 'python') return planPython(planBase());
  if (name === 'node') return planNode(planBase(), node);
  if (name === 'host') return planHost();
  if (name === 'notes') return planNotes(planPython(planBase()), notes);
  return planWhoami(whoami);
}

/** `planPart` in a thread of its own, so that the server answers meanwhile. */
export async function planInThread(job: PlanJob): Promise<PartPlan> {
  const worker = new Worker(new URL('./plan-worker.ts', import.meta.url), { workerData: job });
  const { promise, resolve, reject } = Promise.withResolvers<PartPlan>();
  worker.on('error', reject);
  worker.on('exit', (code) => reject(new ArcError('internal', `the planning thread ended early (${code})`)));
  worker.on('message', (message: FromPlanner) => {
    if (message.kind === 'planned') return resolve(message.plan);
    const { code, detail, hint } = message;
    reject(new ArcError(code, detail, hint === undefined ? {} : { hint }));
  });
  return await promise;
}
