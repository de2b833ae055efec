import type { CreateRequest } from '../../contract/schemas/sandbox.ts';
import { type Summary, summarize } from '../../kit/percentile.ts';
import type { Sandbox } from '../../sdk/sandbox.ts';
import { available, eachOf, firstAnswer, type Stage, timed, untilHolds } from './stage.ts';

/** The shortest that a server takes. */
const QUIET = '2s';

/** Sandboxes that nobody uses until all are parked; what they take then; and the request that wakes each. */
export async function measureWake(
  stage: Stage,
  template: string,
  then: 'frozen' | 'stopped',
): Promise<{ readonly wake: Summary; readonly bytes: number | undefined }> {
  await stage.say(`wake from ${then}`);
  const { client, own, rounds } = stage;
  const before = await available(stage);
  const parked: Sandbox[] = [];
  const idle: Partial<CreateRequest> = { idle: { hard: QUIET, then } };
  for (let round = 0; round < rounds; round += 1) {
    stage.signal.throwIfAborted();
    parked.push(await own.create(template, idle));
  }
  await untilHolds(stage, `all are ${then}`, async () => {
    let count = 0;
    for await (const _ of client.sandboxes.list({ labels: [own.label], state: then })) count += 1;
    return count >= rounds;
  });
  const bytes = eachOf(before, await available(stage), rounds);
  const wake: number[] = [];
  for (const one of parked) wake.push(await timed(stage, () => firstAnswer(stage, one.id)));
  for (const one of parked) await one.remove();
  return { wake: summarize(wake), bytes };
}
