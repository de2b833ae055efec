import { clean } from '../clean.ts';
import type { Command } from '../command.ts';

export const command: Command = {
  usage: ['version'],
  about: 'Prints the version of this program, and of the server where one answers.',
  options: {},
  positionals: { min: 0, max: 0, kinds: [] },
  async run({ env, out, json, connect }) {
    let server: unknown;
    try {
      server = (await (await connect()).info()).version;
    } catch {
      // Not having a server is no failure of this command.
    }
    if (json) await out.json({ client: env.version, server: server ?? null });
    else {
      await out.line(`arc ${env.version}`);
      await out.line(server === undefined ? 'no server answers' : clean(`server ${server}`));
    }
    return 0;
  },
};
