import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pairs, parseCommandLine, whole } from './args.ts';
import { type Command, UsageError } from './command.ts';
import { command as exec } from './commands/exec.ts';
import { command as ls } from './commands/ls.ts';
import { command as run } from './commands/run.ts';

const parse = (command: Command, ...argv: string[]) => parseCommandLine(argv, command);
const refusal = (command: Command, ...argv: string[]): UsageError => {
  try {
    parse(command, ...argv);
  } catch (error) {
    assert.ok(error instanceof UsageError, String(error));
    return error;
  }
  return assert.fail(`${argv.join(' ')} was taken`);
};

test('options may stand before and after what a command is given', () => {
  const args = parse(run, 'python', '--memory', '64MiB', '-e', 'A=1', '--env=B=2', '--', 'python3', '-c', 'x');
  assert.deepEqual(args.positionals, ['python']);
  assert.equal(args.text('memory'), '64MiB');
  assert.deepEqual(args.texts('env'), ['A=1', 'B=2']);
  assert.deepEqual(args.program, ['python3', '-c', 'x']);
});

test('without -- the program begins after the last word of our own, and its options are its own', () => {
  const args = parse(exec, '-it', 'sb-aaaa', 'ls', '-la', '--json');
  assert.ok(args.has('interactive') && args.has('tty'));
  assert.ok(!args.has('json'));
  assert.deepEqual(args.program, ['ls', '-la', '--json']);
});

test('what follows -- is never ours, not even another --', () => {
  assert.deepEqual(parse(exec, 'sb-aaaa', '--', '--', '--help').program, ['--', '--help']);
});

test('an unknown option is refused with the nearest one', () => {
  assert.equal(refusal(ls, '--lable', 'a=b').hint, 'Did you mean --label?');
  assert.match(refusal(run, 'python', '-x', '--', 'y').message, /unknown option -x/);
  assert.match(refusal(exec, '--zzzzzzzz', 'sb-a').hint ?? '', /after `--`/);
});

test('values that are missing, too many, or not among the choices are refused', () => {
  assert.match(refusal(ls, '--state').message, /--state needs a value/);
  assert.match(refusal(ls, '--quiet=yes').message, /takes no value/);
  assert.match(refusal(ls, '--state', 'a', '--state', 'b').message, /more than once/);
  assert.match(refusal(run, '--isolation', 'magic', 'x', 'y').message, /must be one of/);
  assert.match(refusal(ls, 'stray').message, /no place for "stray"/);
  assert.match(refusal(run).hint ?? '', /Usage: arc run/);
});

test('--help is taken also where something is missing', () => {
  assert.ok(parse(run, '--help').has('help'));
});

test('pairs keep everything after the first equals sign and refuse what has no key', () => {
  assert.deepEqual(pairs(['A=b=c', 'B='], '--env'), { A: 'b=c', B: '' });
  assert.deepEqual(
    pairs(['HOME'], '--env', () => '/root'),
    { HOME: '/root' },
  );
  assert.throws(() => pairs(['=x'], '--env'), UsageError);
  assert.throws(() => pairs(['GONE'], '--env', () => undefined), /no such variable/);
});

test('whole numbers are whole', () => {
  assert.equal(whole('10', '--tail'), 10);
  for (const text of ['1.5', '-1', '', 'x', '1e400']) assert.throws(() => whole(text, '--tail'), UsageError, text);
});
