import type { LogEntry } from '../../contract/schemas/exec.ts';
import { parseDuration } from '../../contract/units.ts';
import { whole } from '../args.ts';
import { type Command, UsageError } from '../command.ts';
import { LogPrinter } from '../log-printer.ts';

export const command: Command = {
  usage: ['logs [-f] [OPTION]… ID'],
  about: `Prints what a sandbox wrote: its output to our output, its errors to our errors. On a terminal only colours get through; to a
file or a pipe the bytes are as they were written.`,
  options: {
    follow: { type: 'boolean', short: 'f', about: 'go on with what comes' },
    since: {
      type: 'string',
      value: 'SEQ|TIME',
      about: 'after this entry, or since 10m ago, or since 2026-01-31T12:00:00Z',
    },
    tail: { type: 'string', short: 'n', value: 'NUMBER', about: 'only the last so many entries' },
    timestamps: { type: 'boolean', about: 'the time before each line' },
    stream: { type: 'string', value: 'STREAM', about: 'only stdout or stderr', choices: ['stdout', 'stderr'] },
  },
  positionals: { min: 1, max: 1, kinds: ['sandbox'] },
  async run({ args, env, out, err, json, connect }) {
    const since = sinceOf(args.text('since'), env.clock.now());
    const tail = whole(args.text('tail'), '--tail');
    const only = args.text('stream');
    const client = await connect();
    const printer = new LogPrinter(out, err, { timestamps: args.has('timestamps') });
    const entries = client.sandboxes.handle(args.positionals[0] ?? '').logs({
      since: since.seq,
      follow: args.has('follow'),
      ...(tail === undefined ? {} : { tail }),
    });
    for await (const entry of entries) {
      if (Date.parse(entry.time) < since.time || !wanted(entry, only)) continue;
      if (json) await out.json(entry);
      else await printer.print(entry);
    }
    if (!json) await printer.end();
    return 0;
  },
};

/** What Arc has to say, such as how much was dropped, belongs to every stream. */
function wanted(entry: LogEntry, only: string | undefined): boolean {
  return only === undefined || entry.stream === only || entry.stream === 'arc';
}

function sinceOf(text: string | undefined, now: number): { seq: number; time: number } {
  if (text === undefined) return { seq: 0, time: Number.NEGATIVE_INFINITY };
  if (/^[0-9]+$/.test(text)) return { seq: Number(text), time: Number.NEGATIVE_INFINITY };
  const duration = parseDuration(text);
  const time = duration === undefined ? Date.parse(text) : now - duration;
  if (Number.isNaN(time))
    throw new UsageError(`--since must be a sequence number, a duration or a time, not "${text}"`);
  return { seq: 0, time };
}
