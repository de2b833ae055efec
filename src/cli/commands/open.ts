import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { type Command, UsageError } from '../command.ts';
import type { CliEnv } from '../env.ts';

export const command: Command = {
  usage: ['open [--port PORT] ID'],
  about: 'Prints the address of a sandbox, and opens it where there is a browser to do so.',
  options: {
    port: { type: 'string', short: 'p', value: 'PORT', about: 'another port than the first' },
    print: { type: 'boolean', about: 'only print it' },
  },
  positionals: { min: 1, max: 1, kinds: ['sandbox'] },
  async run({ args, env, out, json, connect }) {
    const client = await connect();
    const id = args.positionals[0] ?? '';
    const { info } = await client.sandboxes.get(id);
    const port = args.text('port');
    const url = port === undefined ? info.url : info.urls[port];
    if (url === undefined) {
      const ports = Object.keys(info.urls).join(', ');
      throw new UsageError(
        port === undefined ? `${id} has no port` : `${id} has no port ${port}`,
        ports ? `It has ${ports}.` : 'Its template names no port.',
      );
    }
    if (json) await out.json({ id, url });
    else await out.line(url);
    const opener = json || args.has('print') || !/^https?:\/\//.test(url) ? undefined : findOpener(env);
    if (opener) {
      const { spawn } = await import('node:child_process');
      spawn(opener, [url], { stdio: 'ignore', detached: true })
        .on('error', () => {})
        .unref();
    }
    return 0;
  },
};

/** Only where there is a screen: elsewhere it would start a browser in the terminal. */
function findOpener(env: CliEnv): string | undefined {
  if (!env.environment.DISPLAY && !env.environment.WAYLAND_DISPLAY) return undefined;
  for (const folder of (env.environment.PATH ?? '').split(delimiter)) {
    if (folder === '') continue;
    const path = join(folder, 'xdg-open');
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // Not here; perhaps in the next folder.
    }
  }
  return undefined;
}
