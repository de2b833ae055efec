import { type Command, UsageError } from '../command.ts';
import type { CliEnv } from '../env.ts';

/** As long as the server takes them. */
const BYTES_MAX = 32_768;

export const command: Command = {
  usage: ['secret set NAME < FILE'],
  about:
    'Sets a secret to what it reads from its input, without a line end at the end. A command line is seen by others, so a value is never taken from there.',
  options: {},
  positionals: { min: 1, max: 1, kinds: ['word'] },
  async run({ args, env, out, json, connect }) {
    if (env.stdin.isTTY) throw new UsageError('the value is read from the input', 'secret set NAME < FILE');
    const value = await readValue(env);
    const secret = await (await connect()).secrets.set(args.positionals[0] ?? '', value);
    if (json) await out.json(secret);
    else await out.line(secret.name);
    return 0;
  },
};

async function readValue({ stdin }: CliEnv): Promise<string> {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const part of stdin) {
    bytes += part.length;
    if (bytes > BYTES_MAX + 2) throw new UsageError(`a secret has at most ${BYTES_MAX} bytes`);
    parts.push(part);
  }
  return Buffer.concat(parts)
    .toString('utf8')
    .replace(/\r?\n$/, '');
}
