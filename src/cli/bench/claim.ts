import { ArcError } from '../../contract/errors.ts';
import { type Summary, summarize } from '../../kit/percentile.ts';
import { firstAnswer, type Stage, timed, untilHolds } from './stage.ts';

/** Claims one after another, the pool full again before each: what a person meets where others are not quicker. */
export async function measureClaims(
  stage: Stage,
  template: string,
): Promise<{ readonly claim: Summary; readonly claimAnswer: Summary }> {
  await stage.say('claim');
  const { client, own, rounds } = stage;
  const [claim, claimAnswer]: [number[], number[]] = [[], []];
  for (let round = 0; round < rounds; round += 1) {
    await untilHolds(stage, 'the pool is full', async () => {
      const { pool } = await client.templates.get(template);
      if (pool?.problem !== undefined) throw new ArcError('unavailable', `the pool does not fill: ${pool.problem}`);
      return pool !== undefined && pool.ready >= pool.min;
    });
    let answer = 0;
    let id = '';
    let how: string | undefined;
    claim.push(
      await timed(stage, async () => {
        answer = await timed(stage, async () => {
          const one = await own.create(template);
          ({ id } = one);
          how = one.info.start;
        });
        await firstAnswer(stage, id);
      }),
    );
    claimAnswer.push(answer);
    if (how !== 'claimed') throw new ArcError('unavailable', `${id} was started cold though the pool was full`);
    await client.sandboxes.remove(id);
  }
  return { claim: summarize(claim), claimAnswer: summarize(claimAnswer) };
}
