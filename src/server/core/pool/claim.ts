import { ArcError, type ErrorCode } from '../../../contract/errors.ts';
import type { ResolvedSpec } from '../../../contract/spec.ts';
import { expiryForPeople } from '../../../domain/deadline.ts';
import { born } from '../../../domain/lifecycle.ts';
import { type Fitting, fitting } from '../../../domain/pool/fit.ts';
import { giveUp } from '../../../kit/limit.ts';
import type { Write } from '../../../store/store.ts';
import type { Core } from '../context.ts';
import { placeFiles } from '../files.ts';
import { type IdempotencyKey, usedFor, useWrite } from '../idempotency.ts';
import { oneThere } from '../only.ts';
import { routeOf, type SandboxRow, type Versioned } from '../row.ts';
import { CLAIM_TRIES_MAX, FIT_MS } from './options.ts';
import type { Pool } from './pool.ts';
import type { Pools } from './pools.ts';
import { deleteWarm, putWarm, type Warm } from './warm.ts';

/** What a create asks for, resolved. */
export interface Wanted {
  readonly template: string;
  readonly owner: string;
  readonly spec: ResolvedSpec;
  readonly labels: Readonly<Record<string, string>>;
  readonly files: Readonly<Record<string, string>>;
  /** There may be one only of this owner and template. */
  readonly only: boolean;
  readonly audit: (row: SandboxRow) => Write;
  readonly key: IdempotencyKey | undefined;
  readonly signal: AbortSignal;
}

/**
 * Hands over a warm sandbox: one commit takes it out of the pool and makes it the claimer's, and two can not have the
 * same. Gives the id of
 * what was there first, where the idempotency key was used meanwhile or there may be one only, and nothing where it has to be started as asked.
 */
export async function claim(core: Core, pools: Pools, wanted: Wanted): Promise<Versioned | string | undefined> {
  const pool = pools.asked(wanted.template);
  if (!pool) return undefined;
  const fit = fitting(pool.spec, wanted.spec);
  if (!fit || !canFit(core, fit, wanted)) {
    pool.unfit += 1;
    return undefined;
  }
  for (let tries = 0; tries < CLAIM_TRIES_MAX; tries++) {
    const warm = pool.ready.shift();
    if (!warm) break;
    // In its lane, so that whoever hears of its end meanwhile finds it either warm or somebody's.
    const done = await core.lanes.run(warm.id, () => handOver(core, pools, pool, warm, wanted, fit));
    if (done === undefined) continue;
    if (typeof done !== 'string') pool.hits += 1;
    return done;
  }
  pool.misses += 1;
  return undefined;
}

/** Asks for capabilities, never for names: what an engine can't do to a running sandbox is done by starting it so. */
function canFit(core: Core, fit: Fitting, wanted: Wanted): boolean {
  if (Object.keys(fit.limits).length > 0 && core.engine.limits === undefined) return false;
  return !hasFiles(wanted) || core.engine.files !== undefined;
}

function hasFiles({ files, spec }: Wanted): boolean {
  const secret = spec.flag?.file !== undefined || spec.secrets?.some(({ file }) => file !== undefined) === true;
  return secret || Object.keys(files).length > 0;
}

/** `undefined`: this one was not to be had; try another. */
async function handOver(
  core: Core,
  pools: Pools,
  pool: Pool,
  warm: Warm,
  wanted: Wanted,
  fit: Fitting,
): Promise<Versioned | string | undefined> {
  const touches = Object.keys(fit.limits).length > 0 || hasFiles(wanted);
  try {
    if (touches && !(await prepare(core, pools, warm, wanted, fit))) {
      pools.discard(warm);
      return undefined;
    }
    wanted.signal.throwIfAborted();
    const { key } = wanted;
    const row = claimedRow(core, warm, wanted, fit);
    const made = await core.rows.insert(row, [
      deleteWarm(warm),
      wanted.audit(row),
      ...(key ? [useWrite(key, warm.id)] : []),
    ]);
    pools.forget(warm);
    await core.router.set(routeOf(made.row));
    return made;
  } catch (error) {
    const conflict = error instanceof ArcError && error.code === 'conflict';
    const used = conflict ? await thereFirst(core, wanted) : undefined;
    // Untouched and still ours it waits for the next one; what may have something of this claimer in it does not.
    const whole = !touches && warm.exit === undefined && (used !== undefined || (!conflict && isStill(error, wanted)));
    if (whole) pool.ready.unshift(warm);
    else pools.discard(warm);
    if (used !== undefined) return used;
    if (conflict) return undefined;
    throw error;
  }
}

async function thereFirst({ store }: Core, { key, only, owner, template }: Wanted): Promise<string | undefined> {
  const used = key && (await usedFor(store, key));
  return used ?? (only ? await oneThere(store, owner, template) : undefined);
}

const ROLLED_BACK: ReadonlySet<string> = new Set<ErrorCode>(['disk_full', 'quota_exceeded', 'rate_limited']);

/** The client left before anything was written; or the commit was refused as a whole. */
function isStill(error: unknown, wanted: Wanted): boolean {
  return wanted.signal.aborted || (error instanceof ArcError && ROLLED_BACK.has(error.code));
}

/** Marked first, so that after a crash nobody else gets what has something of this claimer in it. */
async function prepare(core: Core, pools: Pools, warm: Warm, wanted: Wanted, fit: Fitting): Promise<boolean> {
  const doc = { ...warm.doc, phase: 'claiming' } as const;
  [warm.revision = 0] = await core.store.commit([putWarm(doc, warm.revision)]);
  warm.doc = doc;
  const work = async () => {
    if (Object.keys(fit.limits).length > 0) await core.engine.limits?.set(doc, wanted.spec.limits);
    const { files, modes } = await core.secrets.placed(wanted);
    await placeFiles(core.engine, doc, { ...wanted.files, ...files }, modes);
  };
  try {
    await pools.fitting.run(() => giveUp(core.clock, work(), { ms: FIT_MS }));
    return true;
  } catch (error) {
    core.logger.warn({ sandbox: warm.id, error }, 'a warm sandbox could not be made ready for its claimer');
    return false;
  }
}

function claimedRow({ clock, rows, time }: Core, { doc }: Warm, wanted: Wanted, fit: Fitting): SandboxRow {
  const now = clock.now();
  const { owner, spec, labels, files, key, only } = wanted;
  const { ttlMs, ttlPolicy } = spec;
  const tcpPorts = rows.ports.take(doc.id, spec.tcp ?? []);
  return {
    ...{ id: doc.id, owner, spec, labels, ...born('running', 'claimed', now), incarnation: doc.incarnation },
    ...{ fresh: false, start: 'claimed', createdAt: now, startedAt: now },
    ...(doc.placement ? { placement: doc.placement } : {}),
    ...(ttlMs === null ? {} : { deadline: time.in(ttlMs), expiresAt: expiryForPeople(undefined, ttlMs, now) }),
    ...(ttlPolicy?.maxMs === undefined ? {} : { latest: time.in(ttlPolicy.maxMs) }),
    ...(key ? { idempotency: key.id } : {}),
    ...(only ? { only } : {}),
    ...(tcpPorts ? { tcpPorts } : {}),
    ...(Object.keys(files).length > 0 ? { files } : {}),
    ...(Object.keys(fit.lateEnv).length > 0 ? { lateEnv: fit.lateEnv } : {}),
  };
}
