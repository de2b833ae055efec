import { parentPort, workerData } from 'node:worker_threads';
import { asArcError } from '../../contract/errors.ts';
import { type FromPlanner, type PlanJob, planPart } from './plan-part.ts';

/** The other side of `planInThread`: one plan, then the end. */
function answer(): FromPlanner {
  try {
    return { kind: 'planned', plan: planPart(workerData as PlanJob) };
  } catch (cause) {
    const { code, message, hint } = asArcError(cause);
    return { kind: 'failed', code, detail: message, ...(hint !== undefined && { hint }) };
  }
}

parentPort?.postMessage(answer());
