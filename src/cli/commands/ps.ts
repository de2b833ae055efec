import { roughSize } from '../amounts.ts';
import type { Command } from '../command.ts';
import { textTable } from '../text-table.ts';

export const command: Command = {
  usage: ['ps ID'],
  about: 'Lists the processes of a sandbox, with the pids and users that it sees itself.',
  options: {},
  positionals: { min: 1, max: 1, kinds: ['sandbox'] },
  async run({ args, out, json, connect }) {
    const client = await connect();
    const processes = await client.sandboxes.handle(args.positionals[0] ?? '').processes();
    if (json) await out.json(processes);
    else {
      const rows = processes.map((one) => [
        String(one.pid),
        String(one.ppid),
        String(one.uid),
        one.state,
        roughSize(one.rssBytes),
        one.command,
      ]);
      await out.write(textTable(['PID', 'PPID', 'UID', 'STATE', 'MEMORY', 'COMMAND'], rows));
    }
    return 0;
  },
};
