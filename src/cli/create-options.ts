import type { CreateRequest } from '../contract/schemas/sandbox.ts';
import { LEVELS } from '../contract/states.ts';
import { number, pairs, whole } from './args.ts';
import { type Args, type OptionSpecs, UsageError } from './command.ts';
import type { CliEnv } from './env.ts';
import { networkOf } from './network-text.ts';

/** What `create` and `run` can say about a new sandbox. */
export const CREATE_OPTIONS: OptionSpecs = {
  label: { type: 'string', short: 'l', multiple: true, value: 'KEY=VALUE', about: 'a label; may be repeated' },
  env: {
    type: 'string',
    short: 'e',
    multiple: true,
    value: 'KEY=VALUE',
    about: 'a variable; KEY alone takes its value from here',
  },
  isolation: {
    type: 'string',
    value: 'LEVEL',
    about: 'at least the level of the template; auto: the strongest',
    choices: [...LEVELS, 'auto'],
  },
  memory: { type: 'string', short: 'm', value: 'SIZE', about: 'memory limit, such as 64MiB' },
  cpus: { type: 'string', value: 'NUMBER', about: 'processors, such as 0.5' },
  pids: { type: 'string', value: 'NUMBER', about: 'most processes at once' },
  disk: { type: 'string', value: 'SIZE', about: 'most bytes it may write, such as 256MiB' },
  network: { type: 'string', value: 'NETWORK', about: 'none, public, or names and networks with commas between' },
  'network-ports': { type: 'string', value: 'PORT,…', about: 'with a list as --network: only these ports' },
  ttl: { type: 'string', value: 'DURATION', about: 'time to live, such as 30m' },
  idle: {
    type: 'string',
    value: 'TIME[:THEN]',
    about: 'frozen, stopped or removed when nobody uses it for so long, such as 15m:frozen; none: never',
  },
};

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

export function createRequest(template: string, args: Args, env: Pick<CliEnv, 'environment'>): CreateRequest {
  const request: Mutable<CreateRequest> = { template };
  const labels = pairs(args.texts('label'), '--label', () => '');
  if (Object.keys(labels).length > 0) request.labels = labels;
  const cpus = number(args.text('cpus'), '--cpus');
  if (cpus !== undefined) request.cpus = cpus;
  const pids = whole(args.text('pids'), '--pids');
  if (pids !== undefined) request.pids = pids;
  for (const name of ['memory', 'disk', 'ttl', 'isolation'] as const) {
    const value = args.text(name);
    if (value !== undefined) Object.assign(request, { [name]: value });
  }
  const network = args.text('network');
  if (network !== undefined) request.network = networkOf(network, args.text('network-ports'));
  const idle = args.text('idle');
  if (idle !== undefined) request.idle = idleOf(idle);
  const variables = environmentOf(args, env);
  if (Object.keys(variables).length > 0) request.env = variables;
  return request;
}

/** `15m` or `15m:frozen`, or `none`. What is wrong with a duration is said by the server, which knows its bounds. */
function idleOf(text: string): NonNullable<CreateRequest['idle']> {
  if (text === 'none') return 'none';
  const [hard = '', end, ...more] = text.split(':');
  if (end === undefined) return { hard };
  if (more.length > 0 || (end !== 'frozen' && end !== 'stopped' && end !== 'removed')) {
    throw new UsageError(
      `--idle ${text}: DURATION, DURATION:frozen, DURATION:stopped, DURATION:removed or none is wanted`,
    );
  }
  return { hard, then: end };
}

export function environmentOf(args: Args, env: Pick<CliEnv, 'environment'>): Record<string, string> {
  return pairs(args.texts('env'), '--env', (key) => env.environment[key]);
}
