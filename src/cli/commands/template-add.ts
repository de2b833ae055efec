import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { Template } from '../../contract/schemas/template.ts';
import { LEVELS } from '../../contract/states.ts';
import { number, pairs, whole } from '../args.ts';
import { type Args, type Call, type Command, UsageError } from '../command.ts';
import { describeTemplate } from '../describe-template.ts';
import type { CliEnv } from '../env.ts';
import { networkOf } from '../network-text.ts';
import { ProgressView } from '../progress.ts';

export const command: Command = {
  usage: [
    'template add NAME --image REF [OPTION]… [-- PROGRAM ARG…]',
    'template add NAME --root FOLDER_OR_TAR [OPTION]…',
    'template add [NAME] --from FILE.yaml [OPTION]…',
  ],
  about: `Adds a template. What an image says of itself (command, variables, user, folder, ports) is the default. Options win over the
file. A password is read from the input, never from the command line.`,
  options: {
    image: { type: 'string', value: 'REF', about: 'an OCI image, such as registry.example.org/app:1 or app@sha256:…' },
    root: { type: 'string', value: 'PATH', about: 'a root filesystem: a folder or a tar on the machine of the server' },
    from: { type: 'string', value: 'FILE', about: 'a template document, YAML or JSON; - reads it from the input' },
    port: {
      type: 'string',
      short: 'p',
      multiple: true,
      value: 'PORT',
      about: 'a port; the first is what the address reaches',
    },
    env: { type: 'string', short: 'e', multiple: true, value: 'KEY=VALUE', about: 'a variable' },
    user: { type: 'string', short: 'u', value: 'USER', about: 'uid, uid:gid or a name' },
    cwd: { type: 'string', short: 'w', value: 'DIR', about: 'the folder that the command starts in' },
    cap: {
      type: 'string',
      multiple: true,
      value: 'NAME',
      about: 'a capability inside its own user namespace, such as SETUID',
    },
    'ready-port': { type: 'string', value: 'PORT', about: 'ready once this port accepts' },
    'ready-http': { type: 'string', value: 'PATH', about: 'ready once GET of this path answers' },
    'ready-timeout': { type: 'string', value: 'DURATION', about: 'how long it may take to get ready' },
    memory: { type: 'string', short: 'm', value: 'SIZE', about: 'memory limit' },
    cpus: { type: 'string', value: 'NUMBER', about: 'processors' },
    pids: { type: 'string', value: 'NUMBER', about: 'most processes at once' },
    disk: { type: 'string', value: 'SIZE', about: 'most bytes it may write' },
    isolation: { type: 'string', value: 'LEVEL', about: 'the least level', choices: LEVELS },
    network: { type: 'string', value: 'NETWORK', about: 'none, public, or names and networks with commas between' },
    'network-ports': { type: 'string', value: 'PORT,…', about: 'with a list as --network: only these ports' },
    bandwidth: { type: 'string', value: 'SIZE', about: 'most bytes a second to beyond the machine' },
    connections: { type: 'string', value: 'NUMBER', about: 'most open connections to beyond the machine' },
    ttl: { type: 'string', value: 'DURATION', about: 'time to live' },
    pool: { type: 'string', value: 'MIN[-MAX]', about: 'sandboxes kept ready, such as 5 or 5-20' },
    'late-env': {
      type: 'boolean',
      about: 'variables of a create are for commands and /run/arc/env, not for the program',
    },
    label: { type: 'string', short: 'l', multiple: true, value: 'KEY=VALUE', about: 'a label of every sandbox' },
    description: { type: 'string', value: 'TEXT', about: 'a sentence for people' },
    username: { type: 'string', value: 'NAME', about: 'user of the registry' },
    'password-stdin': { type: 'boolean', about: 'read the password of the registry from the input' },
  },
  positionals: { min: 0, max: 1, kinds: ['word'] },
  program: 'optional',
  async run(call) {
    const { args, env, out, err, json } = call;
    const credentials = await credentialsOf(call);
    const template = { ...(await fromFile(args, env)), ...fromOptions(args, env) } as Template;
    if (!template.name) throw new UsageError('the template has no name', 'Usage: arc template add NAME …');
    if (!template.root) throw new UsageError('the template has no root', 'Give one of --image, --root or --from.');
    const client = await call.connect();
    const progress = new ProgressView(err, json);
    const view = await client.templates.add(template, {
      ...(credentials ? { credentials } : {}),
      onProgress: (step) => progress.show(step),
    });
    await progress.end();
    if (json) await out.json(view);
    else await out.write(describeTemplate(view));
    return 0;
  },
};

async function credentialsOf({ args, env }: Call): Promise<{ username: string; password: string } | undefined> {
  const username = args.text('username');
  const fromInput = args.has('password-stdin');
  if (username === undefined && !fromInput) return undefined;
  if (username === undefined) throw new UsageError('--password-stdin needs --username');
  if (!fromInput)
    throw new UsageError(
      '--username needs --password-stdin',
      'Pipe the password in; a command line can be seen by others.',
    );
  if (args.text('from') === '-') throw new UsageError('the input can not hold both the template and the password');
  const password = (await readInput(env)).replace(/\r?\n$/, '');
  if (password === '') throw new UsageError('there was no password in the input');
  return { username, password };
}

/** Longest document or password that is read, bytes. */
const INPUT_BYTES_MAX = 1_048_576;

async function readInput(env: CliEnv): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of env.stdin) {
    size += chunk.length;
    if (size > INPUT_BYTES_MAX) throw new UsageError('the input is too long');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

async function fromFile(args: Args, env: CliEnv): Promise<Record<string, unknown>> {
  const file = args.text('from');
  if (file === undefined) return {};
  const path = resolve(env.cwd, file);
  let text: string;
  try {
    text = file === '-' ? await readInput(env) : readFileSync(path, 'utf8');
  } catch (cause) {
    throw new UsageError(`${file} can not be read: ${(cause as Error).message}`);
  }
  const { parse } = await import('yaml');
  let document: unknown;
  try {
    document = parse(text, { strict: true, uniqueKeys: true, maxAliasCount: 100 });
  } catch (cause) {
    throw new UsageError(`${file} is neither YAML nor JSON: ${(cause as Error).message}`);
  }
  if (typeof document !== 'object' || document === null || Array.isArray(document)) {
    throw new UsageError(`${file} must hold one template`);
  }
  const { root } = document as { root?: { path?: unknown } };
  // A path in a document is meant from where the document is.
  if (typeof root?.path === 'string') root.path = resolve(file === '-' ? env.cwd : dirname(path), root.path);
  return document as Record<string, unknown>;
}

function fromOptions(args: Args, env: CliEnv): Record<string, unknown> {
  const image = args.text('image');
  const folder = args.text('root');
  if (image !== undefined && folder !== undefined) throw new UsageError('either --image or --root, not both');
  const ports = args.texts('port').map((port) => whole(port, '--port'));
  const caps = args.texts('cap').map((name) => name.toUpperCase().replace(/^CAP_/, ''));
  const readyPort = whole(args.text('ready-port'), '--ready-port');
  const ready = present({ port: readyPort, http: args.text('ready-http'), timeout: args.text('ready-timeout') });
  const variables = pairs(args.texts('env'), '--env', (key) => env.environment[key]);
  const labels = pairs(args.texts('label'), '--label', () => '');
  return present({
    name: args.positionals[0],
    root: image !== undefined ? { image } : folder === undefined ? undefined : { path: resolve(env.cwd, folder) },
    command: args.program,
    ports: filled(ports),
    capabilities: filled(caps),
    ready: filled(ready),
    env: filled(variables),
    labels: filled(labels),
    pool: poolOf(args),
    network: networkFrom(args),
    connections: whole(args.text('connections'), '--connections'),
    cpus: number(args.text('cpus'), '--cpus'),
    pids: whole(args.text('pids'), '--pids'),
    ...Object.fromEntries(
      ['user', 'cwd', 'memory', 'disk', 'isolation', 'bandwidth', 'ttl', 'description'].map((name) => [
        name,
        args.text(name),
      ]),
    ),
  });
}

function networkFrom(args: Args): unknown {
  const text = args.text('network');
  return text === undefined ? undefined : networkOf(text, args.text('network-ports'));
}

function poolOf(args: Args): Record<string, unknown> | undefined {
  const text = args.text('pool');
  if (text === undefined) {
    if (args.has('late-env')) throw new UsageError('--late-env needs --pool');
    return undefined;
  }
  const [, min, max] = /^([0-9]{1,5})(?:-([0-9]{1,5}))?$/.exec(text) ?? [];
  if (min === undefined) throw new UsageError('--pool wants a number, or two such as 5-20');
  return present({
    min: Number(min),
    max: max === undefined ? undefined : Number(max),
    env: args.has('late-env') ? 'late' : undefined,
  });
}

function present(members: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined));
}

function filled<T extends object>(value: T): T | undefined {
  return Object.keys(value).length > 0 ? value : undefined;
}
