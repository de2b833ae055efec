import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LogEntry } from '../contract/schemas/exec.ts';
import { LogPrinter } from './log-printer.ts';
import { Output } from './output.ts';
import { Sink } from './testing/sink.ts';

const entry = (stream: LogEntry['stream'], data: string | Buffer, more: Partial<LogEntry> = {}): LogEntry => ({
  seq: 1,
  time: '2026-01-31T12:00:00.000Z',
  stream,
  data: typeof data === 'string' ? data : data.toString('base64'),
  encoding: typeof data === 'string' ? 'utf8' : 'base64',
  ...more,
});

test('to a pipe the bytes are as they were written, each stream to its own', async () => {
  const [out, err] = [new Sink(), new Sink()];
  const printer = new LogPrinter(new Output(out), new Output(err), { timestamps: false });
  const bytes = Buffer.from([0, 27, 91, 50, 74, 255]);
  await printer.print(entry('stdout', bytes));
  await printer.print(entry('stderr', 'oops\n'));
  await printer.end();
  assert.deepEqual(out.bytes, bytes);
  assert.equal(err.text, 'oops\n');
});

test('to a terminal only colours get through, also when they and letters are cut between entries', async () => {
  const [out, err] = [new Sink({ isTTY: true }), new Sink({ isTTY: true })];
  const printer = new LogPrinter(new Output(out), new Output(err), { timestamps: false });
  const text = Buffer.from('\u001b[32mgrün\u001b[2J\n');
  for (const byte of text) await printer.print(entry('stdout', Buffer.from([byte])));
  await printer.end();
  assert.equal(out.text, '\u001b[32mgrün\u241b[2J\n\u001b[0m');
});

test('timestamps stand before lines, not before chunks', async () => {
  const out = new Sink();
  const printer = new LogPrinter(new Output(out), new Output(new Sink()), { timestamps: true });
  await printer.print(entry('stdout', 'one '));
  await printer.print(entry('stdout', 'line\ntwo\n'));
  assert.equal(out.text, '2026-01-31T12:00:00.000Z one line\n2026-01-31T12:00:00.000Z two\n');
});

test('what was dropped is told among the errors', async () => {
  const [out, err] = [new Sink(), new Sink()];
  const printer = new LogPrinter(new Output(out), new Output(err), { timestamps: false });
  await printer.print(entry('arc', '', { droppedBytes: 123 }));
  assert.equal(out.text, '');
  assert.match(err.text, /123 bytes are missing here/);
});
