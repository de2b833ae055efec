import { asArcError } from '../../../contract/errors.ts';
import { encodeId, ID_BYTES } from '../../../contract/ids.ts';
import type { CreateOrder } from '../../../engines/engine.ts';
import type { Core } from '../context.ts';
import type { Jobs } from '../jobs.ts';
import { lastWords } from '../last-words.ts';
import { untilReady } from '../readiness.ts';
import { withEnv } from '../row.ts';
import type { Pool } from './pool.ts';
import { putWarm, type Warm, type WarmDoc } from './warm.ts';

/** Whom a warm sandbox belongs to until somebody claims it. */
const NOBODY = '';

export function newWarm(core: Core, pool: Pool): WarmDoc {
  const { template, version, spec } = pool;
  return {
    id: encodeId('sb', core.rng.bytes(ID_BYTES)),
    ...{ incarnation: 1, template, version, spec, phase: 'starting' },
  };
}

/**
 * Starts one and resolves when it is ready and written as that. The row comes before the resource, as for every sandbox.
 * After a throw it must be discarded. Throws what went wrong, in words for the template's owner.
 */
export async function startWarm(core: Core, jobs: Jobs, warm: Warm): Promise<void> {
  const { calls, store } = core;
  const job = jobs.begin(warm.id, warm.doc.incarnation);
  try {
    [warm.revision = 0] = await store.commit([putWarm(warm.doc, 0)]);
    // Nobody's yet: what is somebody's own comes with the claim.
    const { env } = await core.secrets.placed({ owner: '', spec: warm.doc.spec });
    const placement = await calls.create(withEnv(orderOf(warm.doc), env), job.cancel.signal);
    await untilReady(core, warm.doc, job);
    job.cancel.signal.throwIfAborted();
    job.ended.signal.throwIfAborted();
    const doc: WarmDoc = { ...warm.doc, phase: 'ready', placement };
    [warm.revision = 0] = await store.commit([putWarm(doc, warm.revision)]);
    warm.doc = doc;
  } catch (error) {
    if (job.cancel.signal.aborted) throw job.cancel.signal.reason;
    const said = await lastWords(core, warm.doc, true);
    throw new Error(`${asArcError(error).message}${said}`, { cause: error });
  } finally {
    jobs.end(warm.id);
  }
}

function orderOf({ id, incarnation, spec }: WarmDoc): CreateOrder {
  return { id, incarnation, owner: NOBODY, labels: {}, spec, fresh: true };
}
