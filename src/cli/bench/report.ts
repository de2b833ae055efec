import type { Summary } from '../../kit/percentile.ts';
import { roughSize } from '../amounts.ts';
import { textFields, textTable } from '../text-table.ts';
import { type BenchResult, type LevelResult, MEASURES, type Measure } from './result.ts';

/** Walls beyond the first that are shown, to see what comes after it was moved. */
const WALLS_SHOWN = 3;

export function report(result: BenchResult): string {
  const { version, rounds, nodes, levels } = result;
  const machine = nodes.map(({ name, cpus, memoryBytes, kernel, cgroup, sandboxes }) =>
    textFields([
      ['node', `${name}: ${cpus} processors, ${roughSize(memoryBytes)}, Linux ${kernel}, cgroups ${cgroup}`],
      ['sandboxes', `${sandboxes} were live before`],
    ]),
  );
  const head = `${machine.join('')}${textFields([['arc', `${version}, whoami, ${rounds} rounds, one at a time`]])}`;
  return [head, ...levels.map(levelReport)].join('\n');
}

function levelReport(one: LevelResult): string {
  const name = `${one.level}${one.runtime ? ` (${one.runtime})` : ''}`;
  if (Object.keys(one.figures).length === 0) return `${name}: ${one.why ?? 'not here'}\n`;
  return `${name}\n${indent(`${one.checked}\n${times(one)}${density(one)}`)}`;
}

function times({ figures, notMeasured }: LevelResult): string {
  const rows = Object.entries(MEASURES).flatMap(([measure, words]) => {
    const summary = figures[measure as Measure];
    if (summary) return [[words, ms(summary.p50), ms(summary.p99), ms(summary.max)]];
    const why = notMeasured[measure as Measure];
    return why === undefined ? [] : [[words, '-', '-', `not measured: ${why}`]];
  });
  return textTable(['', 'P50 MS', 'P99 MS', 'MOST'], rows);
}

const ms = (value: Summary['p50']): string => value.toFixed(value < 10 ? 2 : 1);

function density({ memory, perGiB, walls, figures }: LevelResult): string {
  const size = (bytes: number | undefined) => (bytes === undefined ? undefined : roughSize(bytes));
  const all = (bytes: number | undefined) =>
    bytes === undefined ? 'too little to be told from what else the machine did' : `${size(bytes)} each, all-in`;
  const onNode = walls.length > 0;
  const [first, ...later] = walls;
  return textFields([
    ['memory, programs', memory.programs === undefined ? undefined : `${size(memory.programs)} each`],
    ['memory, live', onNode ? all(memory.live) : 'not measured: run this as root on the node'],
    ['memory, frozen', onNode && figures.wakeFrozen ? all(memory.frozen) : undefined],
    ['memory, stopped', onNode && figures.wakeStopped ? all(memory.stopped) : undefined],
    [
      'in one GiB',
      perGiB === undefined
        ? undefined
        : `${perGiB} live ones${memory.live === undefined ? ", by their programs' memory alone" : ''}`,
    ],
    ['first wall', first && `${first.title}: room for ${first.room} more`],
    [
      'then',
      first &&
        later
          .slice(0, WALLS_SHOWN)
          .map(({ title, room }) => `${title}: ${room}`)
          .join('; '),
    ],
  ]);
}

const indent = (text: string): string => text.replace(/^(?=.)/gm, '  ');
