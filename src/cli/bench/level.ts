import { ArcError } from '../../contract/errors.ts';
import type { NodeView } from '../../contract/schemas/admin.ts';
import type { Template } from '../../contract/schemas/template.ts';
import { measureClaims } from './claim.ts';
import { measureLive } from './live.ts';
import type { LevelResult, Measure, MemoryFigures } from './result.ts';
import type { Stage } from './stage.ts';
import { measureWake } from './wake.ts';

/** Enough that the next is ready when one was claimed, and few enough for a small machine. */
const POOL_MAX = 4;

/** One level, whole. What can't be measured is said and does not keep the rest from being. */
export async function measureLevel(
  stage: Stage,
  given: NodeView['levels'][number],
  base: Omit<Template, 'name'>,
): Promise<LevelResult> {
  const { level, available, runtime, note } = given;
  const head = { level, available, ...(runtime === undefined ? {} : { runtime }) };
  const nothing = { checked: 'nothing was measured', figures: {}, notMeasured: {}, memory: {}, walls: [] };
  if (!available) return { ...head, ...nothing, why: note };
  const { own } = stage;
  const template = { ...base, isolation: level };
  let cold: string;
  let live: Awaited<ReturnType<typeof measureLive>>;
  try {
    cold = await own.template(`${level}-cold`, template);
    live = await measureLive(stage, cold);
  } catch (error) {
    // Not the whole box is no reason of the level's, but a fault that stops everything.
    if (!(error instanceof ArcError) || error.code === 'internal') throw error;
    return { ...head, ...nothing, why: `nothing was measured: ${error.message}` };
  }
  const notMeasured: Partial<Record<Measure, string>> = {};
  const tried = async <T>(measure: Measure, work: () => Promise<T>): Promise<T | undefined> => {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof ArcError)) throw error;
      notMeasured[measure] = error.message;
      return undefined;
    }
  };
  const claims = await tried('claim', async () => {
    const size = Math.min(stage.rounds, POOL_MAX);
    const pooled = await own.template(`${level}-pool`, { ...template, pool: { min: size, max: size } });
    const result = await measureClaims(stage, pooled);
    await own.dropTemplate(pooled);
    return result;
  });
  const frozen = await tried('wakeFrozen', () => measureWake(stage, cold, 'frozen'));
  const stopped = await tried('wakeStopped', () => measureWake(stage, cold, 'stopped'));
  const memory: MemoryFigures = {
    ...live.memory,
    ...(frozen?.bytes === undefined ? {} : { frozen: frozen.bytes }),
    ...(stopped?.bytes === undefined ? {} : { stopped: stopped.bytes }),
  };
  const figures = {
    ...live.figures,
    ...claims,
    ...(frozen && { wakeFrozen: frozen.wake }),
    ...(stopped && { wakeStopped: stopped.wake }),
  };
  return { ...head, ...live, figures, notMeasured, memory };
}
