import type { Stats } from '../../contract/schemas/exec.ts';
import { roughDuration, roughSize } from '../amounts.ts';
import type { Command } from '../command.ts';
import { textTable } from '../text-table.ts';

export const command: Command = {
  usage: ['stats [ID]…'],
  about: 'Shows what sandboxes use: those named, or all that run. Counters grow from the start of each.',
  options: {},
  positionals: { min: 0, max: Number.POSITIVE_INFINITY, kinds: ['sandbox'] },
  async run({ args, out, json, connect }) {
    const client = await connect();
    const ids = args.positionals;
    const stats =
      ids.length > 0
        ? await Promise.all(ids.map((id) => client.sandboxes.handle(id).stats()))
        : await client.sandboxes.stats();
    if (json) await out.json(stats);
    else await out.write(table(stats));
    return 0;
  },
};

function table(stats: readonly Stats[]): string {
  const head = ['ID', 'CPU', 'MEMORY', 'PIDS', 'DISK', 'IN', 'OUT', 'LOG', 'LOG DROPPED'];
  const rows = stats.map((one) => [
    one.id,
    one.cpuMs < 10_000 ? `${(one.cpuMs / 1000).toFixed(2)}s` : roughDuration(one.cpuMs),
    `${roughSize(one.memoryBytes)}/${roughSize(one.memoryLimitBytes)}`,
    String(one.pids),
    one.diskBytes === undefined
      ? `?/${roughSize(one.diskLimitBytes)}`
      : `${roughSize(one.diskBytes)}/${roughSize(one.diskLimitBytes)}`,
    roughSize(one.rxBytes),
    roughSize(one.txBytes),
    roughSize(one.logBytes),
    roughSize(one.logDropped),
  ]);
  return textTable(head, rows);
}
