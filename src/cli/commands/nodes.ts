import { roughSize } from '../amounts.ts';
import type { Command } from '../command.ts';
import { textFields, textTable } from '../text-table.ts';

export const command: Command = {
  usage: ['nodes'],
  about: 'Shows the machines that hold sandboxes, and which levels of isolation each one gives.',
  options: {},
  positionals: { min: 0, max: 0, kinds: [] },
  async run({ out, json, connect }) {
    const client = await connect();
    const nodes = await client.nodes();
    if (json) {
      await out.json(nodes);
      return 0;
    }
    for (const node of nodes) {
      const fields = textFields([
        ['node', node.name],
        ['sandboxes', String(node.sandboxes)],
        ['memory', roughSize(node.memoryBytes)],
        ['cpus', String(node.cpus)],
        ['kernel', node.kernel],
        ['cgroups', node.cgroup],
      ]);
      const rows = node.levels.map(({ level, available, runtime, note }) => [
        level,
        available ? 'yes' : 'no',
        runtime ?? '',
        note,
      ]);
      await out.write(`${fields}\n${textTable(['LEVEL', 'HERE', 'RUNTIME', 'NOTE'], rows)}`);
    }
    return 0;
  },
};
