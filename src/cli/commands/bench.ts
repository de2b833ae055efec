import { ArcError } from '../../contract/errors.ts';
import { LEVELS, type Level } from '../../contract/states.ts';
import { measureLevel } from '../bench/level.ts';
import type { NodeLook } from '../bench/node-look.ts';
import { Own } from '../bench/own.ts';
import { report } from '../bench/report.ts';
import type { BenchResult, LevelResult } from '../bench/result.ts';
import type { Stage } from '../bench/stage.ts';
import { type Call, type Command, UsageError } from '../command.ts';
import { EXIT, signalExitCode } from '../exit-codes.ts';
import { findDataDir } from '../find-server.ts';
import { Interruption } from '../interruption.ts';

const ROUNDS = 20;
const ROUNDS_QUICK = 3;
const ROUNDS_MAX = 1_000;

export const command: Command = {
  usage: ['bench [--level LEVEL]… [--rounds COUNT] [--quick]'],
  about: `Measures this server with sandboxes and templates of its own, which it removes again: claims, cold creates, commands,
wakes, removals, memory, and what is used up first. Needs an admin key; as root on the node it also looks at the sandboxes from
outside. Other work on the machine is in the figures: let it be quiet.`,
  options: {
    level: { type: 'string', value: 'LEVEL', multiple: true, about: 'only this level', choices: LEVELS },
    rounds: { type: 'string', value: 'COUNT', about: `how often each thing is done (default: ${ROUNDS})` },
    quick: { type: 'boolean', about: `${ROUNDS_QUICK} rounds: whether it works, more than how fast` },
  },
  positionals: { min: 0, max: 0, kinds: [] },
  async run(call) {
    const { args, out, json } = call;
    const rounds = roundsOf(args.text('rounds'), args.has('quick'));
    const wanted = args.texts('level').map(levelOf);
    using interruption = new Interruption(call.env);
    const givenUp = new AbortController();
    interruption.listen((signal) => givenUp.abort(new Error(`interrupted by ${signal}`)));
    try {
      const result = await bench(call, { rounds, wanted, signal: givenUp.signal });
      await (json ? out.json(result) : out.write(report(result)));
      return EXIT.ok;
    } catch (error) {
      if (interruption.signal === undefined) throw error;
      return signalExitCode(interruption.signal);
    }
  },
};

function roundsOf(text: string | undefined, quick: boolean): number {
  if (text === undefined) return quick ? ROUNDS_QUICK : ROUNDS;
  if (quick) throw new UsageError('--quick and --rounds: one of them');
  const rounds = Number(text);
  if (!Number.isInteger(rounds) || rounds < 1 || rounds > ROUNDS_MAX)
    throw new UsageError(`--rounds ${text}: a number from 1 to ${ROUNDS_MAX} is wanted`);
  return rounds;
}

function levelOf(text: string): Level {
  const level = LEVELS.find((one) => one === text);
  if (level === undefined) throw new UsageError(`--level ${text}: one of ${LEVELS.join(', ')} is wanted`);
  return level;
}

interface Plan {
  readonly rounds: number;
  /** Empty: all. */
  readonly wanted: readonly Level[];
  readonly signal: AbortSignal;
}

async function bench(call: Call, { rounds, wanted, signal }: Plan): Promise<BenchResult> {
  const { env, err } = call;
  const client = await call.connect();
  const info = await client.info();
  if (!info.scopes.includes('admin'))
    throw new ArcError('forbidden', '`arc bench` adds templates with pools: it needs a key with the scope admin');
  const run = Math.round(env.clock.now()).toString(36);
  const own = new Own(client, run);
  const look = await nodeLookOf(call);
  const left = await own.removeLeft(env.clock.now());
  if (left.length > 0) await err.line(`arc: removed ${left.join(', ')}, left by a run that was killed`);
  const nodes = await client.nodes();
  const { name: _, ...base } = (await client.templates.get('whoami')).template;
  const given = LEVELS.flatMap((level) => {
    if (wanted.length > 0 && !wanted.includes(level)) return [];
    const all = nodes.flatMap(({ levels }) => levels).filter((one) => one.level === level);
    return all.find(({ available }) => available) ?? all[0] ?? [];
  });
  const results: LevelResult[] = [];
  try {
    for (const one of given) {
      const say = async (what: string) => {
        if (err.isTTY) await err.line(`arc: ${one.level}: ${what}`);
      };
      const stage: Stage = {
        ...{ client, clock: env.clock, own, level: one.level, rounds, edge: info.edge, signal, look, say },
      };
      results.push(await measureLevel(stage, one, base));
    }
  } finally {
    if (signal.aborted) await err.line('arc: interrupted; removing what it had made');
    for (const failure of await own.removeAll()) await err.line(`arc: ${failure}`);
  }
  return {
    at: new Date(env.clock.now()).toISOString(),
    version: info.version,
    rounds,
    nodes: nodes.map(({ levels: _levels, ...node }) => node),
    levels: results,
  };
}

async function nodeLookOf({ env, args }: Call): Promise<NodeLook | undefined> {
  const dataDir = findDataDir(env, args.text('data-dir'));
  return dataDir === undefined ? undefined : await env.nodeLook?.(dataDir);
}
