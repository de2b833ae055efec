import { addChallenges, makeTeams, served, TCP_PORTS, TEAMS, take, untilWarm } from '../test/e2e/lib/contest.ts';
import { launchArc } from '../test/e2e/lib/launch.ts';
import { numberOf } from './lib/flags.ts';
import { figure, writeResult } from './lib/result.ts';

/**
 * The first second of a contest: all teams ask at once for an HTTP and a raw TCP challenge, warm and with a flag of their own in
 * each. Over when every team was answered by both. The clients are in this process, and take part of the same processors.
 *
 *     node bench/contest.ts [--teams 300] [--json FILE]
 */
const MOST_S = 10;
const teamCount = numberOf('--teams', TEAMS);

await using arc = await launchArc({ octet: 163, flags: ['--tcp-ports', TCP_PORTS] });
await addChallenges(arc, teamCount);
const teams = await makeTeams(arc, teamCount);
await untilWarm(arc, teamCount);
const began = performance.now();
let claimed = 0;
const all = await Promise.all(
  teams.map(async (team) => {
    const taken = await take(team);
    claimed = performance.now() - began;
    await served(arc, taken);
    return taken;
  }),
);
const tookS = (performance.now() - began) / 1_000;
const sandboxes = all.flatMap(({ web, pwn }) => [web, pwn]);
const ids = new Set(sandboxes.map(({ id }) => id));
if (ids.size !== teamCount * 2) throw new Error(`${ids.size} sandboxes for ${teamCount} teams`);
const cold = sandboxes.filter(({ info }) => info.start === 'cold').length;
const checked = `${ids.size} sandboxes of ${teamCount} owners, ${cold} of them started cold`;
console.log(
  `${checked}; the last was handed over after ${(claimed / 1_000).toFixed(1)} s, all served after ${tookS.toFixed(1)} s`,
);
await writeResult(
  'contest',
  [
    figure(`${teamCount} teams, two challenges each, all served`, tookS, {
      unit: 's',
      bar: { of: 'value', most: MOST_S },
    }),
  ],
  { checked },
);
