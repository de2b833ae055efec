import { ArcError } from '../../contract/errors.ts';
import type { Level } from '../../contract/states.ts';
import { summarize } from '../../kit/percentile.ts';
import type { Sandbox } from '../../sdk/sandbox.ts';
import { type LevelResult, type MemoryFigures, perGiB } from './result.ts';
import { available, eachOf, firstAnswer, type Stage, timed } from './stage.ts';

const COMMON = 'host ids and namespaces of its own, filter of system calls, no new privileges, ';
/** What was looked at, by level. */
const WHOLE: Partial<Record<Level, string>> = {
  jail: `${COMMON}no capabilities, `,
  container: `${COMMON}no capabilities, `,
  gvisor: `around its kernel ${COMMON}`,
};
const CHECKED_MAX = 20;
/** More arguments than `whoami` takes: it is over at once, in every level and without a shell. */
const SHORT_COMMAND = ['/whoami', '1', '2'];

type LiveResult = Pick<LevelResult, 'checked' | 'figures' | 'memory' | 'walls'> & { readonly perGiB?: number };

/**
 * Cold creates one after the other, all kept; then whether they are the whole box, what they take, a command in each, a
 * request to each; and their removal. Throws where one is not the whole box: its figures would be of something else.
 */
export async function measureLive(stage: Stage, template: string): Promise<LiveResult> {
  const { own, look, rounds } = stage;
  // The first one unpacks and compiles what all later ones find.
  await (await own.create(template)).remove();
  await stage.say('cold create');
  look?.begin();
  const before = await available(stage);
  const made: Sandbox[] = [];
  const create: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    create.push(
      await timed(stage, async () => {
        const one = await own.create(template);
        made.push(one);
        await firstAnswer(stage, one.id);
      }),
    );
  }
  const memory = await memoryOf(stage, before, rounds);
  const checked = await check(stage, made);
  const ids = made.map(({ id }) => id);
  const walls = look?.walls(ids, { memoryBytes: memory.live ?? memory.programs, processes: memory.processes }) ?? [];
  await stage.say('exec, remove');
  const [exec, request, remove]: [number[], number[], number[]] = [[], [], []];
  for (const one of made) exec.push(await timed(stage, () => one.exec(SHORT_COMMAND)));
  for (const one of made) request.push(await timed(stage, () => firstAnswer(stage, one.id)));
  for (const one of made) remove.push(await timed(stage, () => one.remove()));
  const { processes: _, ...figures } = memory;
  const fits = perGiB(figures);
  return {
    checked,
    memory: figures,
    walls,
    figures: {
      ...{ create: summarize(create), exec: summarize(exec) },
      ...{ request: summarize(request), remove: summarize(remove) },
    },
    ...(fits === undefined ? {} : { perGiB: fits }),
  };
}

async function memoryOf(
  stage: Stage,
  before: number | undefined,
  count: number,
): Promise<MemoryFigures & { readonly processes: number }> {
  const live = eachOf(before, await available(stage), count);
  const stats = await stage.client.sandboxes.stats({ labels: [stage.own.label] });
  const mean = (of: readonly number[]) => of.reduce((sum, one) => sum + one, 0) / Math.max(1, of.length);
  return {
    programs: Math.round(mean(stats.map(({ memoryBytes }) => memoryBytes))),
    processes: Math.max(1, mean(stats.map(({ pids }) => pids))),
    ...(live === undefined ? {} : { live }),
  };
}

async function check(stage: Stage, made: readonly Sandbox[]): Promise<string> {
  if (stage.look === undefined)
    return 'not checked from outside that they are the whole box: run this as root on the node';
  if (!stage.look.canSee(stage.level))
    return `not checked: what runs at the level ${stage.level} is not to be seen from outside`;
  const step = Math.max(1, made.length / CHECKED_MAX);
  const some = made.filter((_, index) => Math.floor(index % step) === 0).slice(0, CHECKED_MAX);
  const ids = some.map(({ id }) => id);
  const faults = await stage.look.faults(ids, stage.level);
  if (faults.length > 0) {
    throw new ArcError('internal', `not the whole box, so nothing was measured: ${faults.slice(0, 5).join('; ')}`, {
      hint: 'This is a fault of Arc or of its runtime: keep such sandboxes from code that you do not trust, and report it.',
    });
  }
  return `${ids.length} of ${made.length} looked at from outside, each the whole box: ${WHOLE[stage.level] ?? ''}limits, rules`;
}
