import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ArcError } from '../../contract/errors.ts';
import type { ResolvedSpec } from '../../contract/spec.ts';
import type { ExecOrder } from '../../engines/engine.ts';
import type { Handle, Lacks, Runtime, StartOrder } from '../../runtimes/runtime.ts';
import { NEEDS } from './needs.ts';
import { runtimeFreezing } from './runtime-freezing.ts';

export interface OrderChanges {
  readonly spec?: Partial<ResolvedSpec>;
  readonly limits?: Partial<ResolvedSpec['limits']>;
}

/** A runtime under test, on a node of its own. Its roots have a POSIX shell and the usual small programs in /bin. */
export interface RuntimeSubject {
  readonly runtime: Runtime;
  /** For a new sandbox, in a slot that is free; `sleep 3600` unless changed. */
  order(changes?: OrderChanges): StartOrder;
  /** The same node as an agent sees it that has just been started again. */
  restarted(): Runtime;
  /** The kernel's truth: what is left of this sandbox on the host, in words. Empty: nothing. */
  residue(id: string): Promise<readonly string[]>;
  readonly dispose: () => Promise<void>;
}

type Check = (title: string, body: (subject: RuntimeSubject) => Promise<void>) => void;

const WAIT_MS = 20_000;
const MIB = 1024 * 1024;

/**
 * What every Runtime does.
 * @param lacks what this runtime states that it has not: checks that are made of it are left out, with its reason
 */
export function runtimeConformance(name: string, make: () => Promise<RuntimeSubject>, lacks: Lacks): void {
  const titles = new Set<string>();
  const check: Check = (title, body) => {
    titles.add(title);
    const needed = NEEDS[title];
    const reason = needed && lacks[needed];
    if (reason !== undefined) {
      it(title, { skip: reason }, () => {});
      return;
    }
    it(title, async () => {
      const subject = await make();
      try {
        await body(subject);
      } finally {
        await subject.dispose();
      }
    });
  };
  describe(`${name} as a Runtime`, () => {
    statements(check, lacks);
    starts(check);
    ends(check);
    layers(check);
    recovery(check);
    commands(check);
    heldCommands(check);
    files(check);
    measures(check);
    limits(check);
    runtimeFreezing(check, { go, run, script, sh, until });
    assert.deepEqual(
      Object.keys(NEEDS).filter((title) => !titles.has(title)),
      [],
      'what needs something is in the suite',
    );
  });
}

const go = (): AbortSignal => new AbortController().signal;

/** Inside the sandbox, where a shell is what is tried. */
const shell = (text: string): readonly string[] => ['/bin/sh', '-c', text];

async function refused(work: Promise<unknown>, code: string): Promise<void> {
  await assert.rejects(work, (error) => {
    assert.ok(error instanceof ArcError, String(error));
    assert.equal(error.code, code, error.message);
    return true;
  });
}

const sh = (script: string): OrderChanges => ({ spec: { command: shell(script) } });

let execs = 0;
const LETTERS = 'abcdefghijklmnopqrstuvwxyz';
function execId(): string {
  execs += 1;
  return `ex-${[...String(execs).padStart(8, '0')].map((digit) => LETTERS[Number(digit)]).join('')}`;
}

/** Runs a command in it to its end. */
async function run(runtime: Runtime, handle: Handle, order: Partial<ExecOrder> & { stdin?: string }) {
  const { stdin, ...rest } = order;
  const stream = await runtime.exec?.(handle, execId(), { command: ['true'], env: {}, timeoutMs: WAIT_MS, ...rest });
  assert.ok(stream);
  if (stdin !== undefined) await stream.write(Buffer.from(stdin));
  if (rest.tty === undefined) await stream.closeStdin().catch(() => {}); // it may be over already
  const parts = { stdout: [] as Uint8Array[], stderr: [] as Uint8Array[] };
  for await (const { stream: which, data } of stream.output) parts[which].push(data);
  const exit = await stream.exit;
  await stream[Symbol.asyncDispose]();
  const text = (which: 'stdout' | 'stderr') => Buffer.concat(parts[which]).toString('utf8');
  return { stdout: text('stdout'), stderr: text('stderr'), exit };
}

async function script(runtime: Runtime, handle: Handle, text: string): Promise<string> {
  const result = await run(runtime, handle, { command: shell(text) });
  assert.equal(result.exit.code, 0, `${text}: ${result.stderr}`);
  return result.stdout.trim();
}

function statements(check: Check, lacks: Lacks): void {
  check('states what it lacks, and of its capabilities exactly those that it has not', async ({ runtime }) => {
    assert.deepEqual(runtime.lacks, lacks);
    for (const [name, has] of Object.entries(runtime.capabilities)) assert.equal(name in lacks, !has, name);
  });
}

function starts(check: Check): void {
  check('runs the command and tells how it ended', async ({ runtime, order }) => {
    const handle = await runtime.start(order(sh('exit 7')), go());
    const exit = await runtime.wait(handle, go());
    assert.equal(exit.code, 7);
    assert.equal(exit.oom, false);
  });

  check('gives the same handle when the same incarnation is asked for again', async ({ runtime, order }) => {
    const wanted = order();
    const handle = await runtime.start(wanted, go());
    assert.deepEqual(await runtime.start(wanted, go()), handle);
    assert.equal(runtime.capabilities.stats && (await runtime.processes?.(handle))?.length, 1);
  });

  check('refuses a command that is not there and leaves nothing', async ({ runtime, order, residue }) => {
    for (const command of [['/bin/no-such-program'], ['no-such-program'], ['/etc'], ['/etc/hosts']]) {
      const wanted = order({ spec: { command } });
      await refused(runtime.start(wanted, go()), 'command_not_found');
      assert.deepEqual(await residue(wanted.id), []);
    }
  });

  check('refuses a user that the root does not know and leaves nothing', async ({ runtime, order, residue }) => {
    const wanted = order({ spec: { user: 'nobody-here' } });
    await refused(runtime.start(wanted, go()), 'start_failed');
    assert.deepEqual(await residue(wanted.id), []);
  });

  check('starts nothing for a caller that is gone', async ({ runtime, order, residue }) => {
    const wanted = order();
    await assert.rejects(runtime.start(wanted, AbortSignal.abort(new Error('gone'))), /gone/);
    assert.deepEqual(await residue(wanted.id), []);
  });

  check('names the sandbox inside after its id', async ({ runtime, order }) => {
    const handle = await runtime.start(order(), go());
    assert.equal(await script(runtime, handle, 'hostname'), handle.id);
    assert.match(
      await script(runtime, handle, 'cat /etc/hosts'),
      new RegExp(`^${handle.address}\\s+${handle.id}$`, 'm'),
    );
  });

  check('gives user, working folder and environment as asked for, and nothing else', async ({ runtime, order }) => {
    const spec = { user: '1234:4321', cwd: '/tmp', env: { ONE: 'a b', TWO: '' } };
    const command = ['/bin/sh', '-c', 'id -u; id -g; pwd; env | sort > /tmp/env; sleep 3600'];
    const handle = await runtime.start(order({ spec: { ...spec, command } }), go());
    assert.equal(await script(runtime, handle, 'id -u; id -g; pwd'), '1234\n4321\n/tmp');
    const seen = await script(runtime, handle, 'cat /tmp/env');
    const names = seen.split('\n').map((line) => line.split('=')[0]);
    assert.deepEqual(
      names.filter((one) => !['PWD', 'SHLVL', '_', 'OLDPWD', 'HOSTNAME'].includes(one ?? '')),
      ['HOME', 'ONE', 'PATH', 'TWO'],
    );
  });
}

function ends(check: Check): void {
  check('a signal reaches the program, which may handle it', async ({ runtime, order }) => {
    const handle = await runtime.start(
      order(sh('trap "exit 9" TERM; touch /tmp/set; while :; do sleep 0.05; done')),
      go(),
    );
    await until(async () => (await run(runtime, handle, { command: ['test', '-e', '/tmp/set'] })).exit.code === 0);
    await runtime.signal(handle, 'SIGTERM');
    assert.equal((await runtime.wait(handle, go())).code, 9);
  });

  check('tells that a signal ended it', async ({ runtime, order }) => {
    const handle = await runtime.start(order(), go());
    await runtime.signal(handle, 'SIGKILL');
    const exit = await runtime.wait(handle, go());
    assert.ok(exit.signal === 'SIGKILL' || exit.code === 128 + 9, JSON.stringify(exit));
  });

  check('tells every listener once', async ({ runtime, order }) => {
    const heard: string[] = [];
    const off = runtime.onExit((target, exit) => heard.push(`${target.id} ${target.incarnation} ${exit.code}`));
    const handle = await runtime.start(order(sh('exit 3')), go());
    await runtime.wait(handle, go());
    assert.deepEqual(heard, [`${handle.id} 1 3`]);
    off();
  });

  check('waiting ends when the caller no longer waits', async ({ runtime, order }) => {
    const handle = await runtime.start(order(), go());
    await assert.rejects(runtime.wait(handle, AbortSignal.abort(new Error('enough'))), /enough/);
  });

  check('removes all of it, however often it is asked to', async ({ runtime, order, residue }) => {
    const wanted = order(sh('(trap "" TERM INT HUP; sleep 3600) & setsid sleep 3600 & kill -STOP $$; sleep 3600'));
    await runtime.start(wanted, go());
    await runtime.destroy(wanted);
    assert.deepEqual(await residue(wanted.id), []);
    await runtime.destroy(wanted);
  });

  check('removing what never was is no error', async ({ runtime, order }) => {
    await runtime.destroy(order());
  });
}

function layers(check: Check): void {
  for (const diskKind of ['image', 'memory'] as const) {
    check(`begins empty again when asked to be fresh (${diskKind})`, async ({ runtime, order }) => {
      const wanted = order({ limits: { diskKind } });
      const first = await runtime.start(wanted, go());
      await script(runtime, first, 'echo kept > /srv/note');
      await runtime.stop(wanted);
      const second = await runtime.start({ ...wanted, incarnation: 2, fresh: true }, go());
      assert.equal(await script(runtime, second, 'ls /srv'), '');
    });
  }

  check('keeps what was written over a stop and a start', async ({ runtime, order }) => {
    const wanted = order({ limits: { diskKind: 'image' } });
    const first = await runtime.start(wanted, go());
    await script(runtime, first, 'echo kept > /srv/note; chmod 600 /srv/note; sync');
    await runtime.stop(wanted);
    const second = await runtime.start({ ...wanted, incarnation: 2, fresh: false }, go());
    assert.equal(await script(runtime, second, 'cat /srv/note; stat -c %u:%a /srv/note'), 'kept\n0:600');
  });

  check('a failed second start keeps what the first one wrote', async ({ runtime, order }) => {
    const wanted = order({ limits: { diskKind: 'image' } });
    await script(runtime, await runtime.start(wanted, go()), 'echo kept > /srv/note; sync');
    await runtime.stop(wanted);
    const broken = { ...wanted, incarnation: 2, fresh: false, spec: { ...wanted.spec, command: ['no-such'] } };
    await refused(runtime.start(broken, go()), 'command_not_found');
    const third = await runtime.start({ ...wanted, incarnation: 3, fresh: false }, go());
    assert.equal(await script(runtime, third, 'cat /srv/note'), 'kept');
  });

  check('two sandboxes of one root do not see each other', async ({ runtime, order }) => {
    const one = await runtime.start(order(), go());
    const two = await runtime.start(order(), go());
    await script(runtime, one, 'echo mine > /srv/note; echo changed >> /etc/hosts');
    assert.equal(await script(runtime, two, 'ls /srv; grep -c changed /etc/hosts || true'), '0');
    assert.notEqual(one.address, two.address);
  });
}

function recovery(check: Check): void {
  check('a restarted agent finds what runs and goes on with it', async ({ runtime, order, restarted }) => {
    const handle = await runtime.start(order(), go());
    const again = restarted();
    assert.deepEqual(await again.recover(), [{ phase: 'running', handle }]);
    assert.equal(await script(again, handle, 'echo here'), 'here');
    await again.signal(handle, 'SIGKILL');
    await again.wait(handle, go());
  });

  check('a restarted agent finds how something ended meanwhile', async ({ runtime, order, restarted }) => {
    const handle = await runtime.start(order(sh('exit 5')), go());
    const exit = await runtime.wait(handle, go());
    assert.deepEqual(await restarted().recover(), [{ phase: 'exited', handle, exit }]);
    assert.deepEqual(await restarted().wait(handle, go()), exit);
  });

  check('what was removed is not found', async ({ runtime, order, restarted }) => {
    const wanted = order();
    await runtime.start(wanted, go());
    await runtime.destroy(wanted);
    assert.deepEqual(await restarted().recover(), []);
  });
}

function commands(check: Check): void {
  check('a command has its own streams, input and exit code', async ({ runtime, order }) => {
    const handle = await runtime.start(order(), go());
    const command = ['/bin/sh', '-c', 'cat; echo bad >&2; exit 4'];
    const result = await run(runtime, handle, { command, stdin: 'in\0put' });
    assert.equal(result.stdout, 'in\0put');
    assert.equal(result.stderr, 'bad\n');
    assert.equal(result.exit.code, 4);
    assert.equal(result.exit.timedOut, false);
  });

  check('a command takes user, folder and environment of its own', async ({ runtime, order }) => {
    const handle = await runtime.start(order({ spec: { env: { A: '1', B: '1' } } }), go());
    const command = ['/bin/sh', '-c', 'echo $(id -u):$(id -g) $PWD $A $B'];
    const result = await run(runtime, handle, { command, user: '7:8', cwd: '/tmp', env: { B: '2' } });
    assert.equal(result.stdout.trim(), '7:8 /tmp 1 2');
  });

  check('a command that is not there is refused by name and the sandbox goes on', async ({ runtime, order }) => {
    const handle = await runtime.start(order(), go());
    await refused(run(runtime, handle, { command: ['no-such-program'] }), 'command_not_found');
    assert.equal(await script(runtime, handle, 'echo on'), 'on');
  });

  check('a command that takes too long is ended and says so', async ({ runtime, order }) => {
    const handle = await runtime.start(order(), go());
    const result = await run(runtime, handle, { command: ['sleep', '3600'], timeoutMs: 300 });
    assert.equal(result.exit.timedOut, true);
  });
}

function heldCommands(check: Check): void {
  check('a terminal has its size, can be resized, and passes Ctrl-C', async ({ runtime, order }) => {
    const handle = await runtime.start(order(), go());
    const stream = await runtime.exec?.(handle, execId(), {
      command: [
        '/bin/sh',
        '-c',
        'stty size; read line; stty size; trap "echo caught; exit 6" INT; echo ready; while :; do sleep 0.05; done',
      ],
      env: {},
      tty: { cols: 91, rows: 33 },
    });
    assert.ok(stream);
    let seen = '';
    let step = 0;
    for await (const { data } of stream.output) {
      seen += Buffer.from(data).toString('utf8');
      if (step === 0 && seen.includes('33 91')) {
        step = 1;
        await stream.resize(70, 20);
        await stream.write(Buffer.from('\n'));
      }
      if (step === 1 && seen.includes('ready')) {
        step = 2;
        await stream.write(Buffer.from('\u0003'));
      }
    }
    assert.match(seen, /20 70/);
    assert.match(seen, /caught/);
    assert.equal((await stream.exit).code, 6);
    await stream[Symbol.asyncDispose]();
  });

  check('a command goes on when its reader leaves and can be joined again', async ({ runtime, order }) => {
    const handle = await runtime.start(order(), go());
    const id = execId();
    const command = ['/bin/sh', '-c', 'read line; echo "got $line"; exit 2'];
    const first = await runtime.exec?.(handle, id, { command, env: {} });
    await first?.[Symbol.asyncDispose]();
    const listed = (await runtime.execs?.(handle))?.find((one) => one.id === id);
    assert.deepEqual(listed?.command, command);
    const second = await runtime.join?.(handle, id);
    assert.ok(second);
    await second.write(Buffer.from('hello\n'));
    let seen = '';
    for await (const { data } of second.output) seen += Buffer.from(data).toString('utf8');
    assert.equal(seen, 'got hello\n');
    assert.equal((await second.exit).code, 2);
    await second[Symbol.asyncDispose]();
  });

  check('a command can be ended by a signal', async ({ runtime, order }) => {
    const handle = await runtime.start(order(), go());
    const id = execId();
    const stream = await runtime.exec?.(handle, id, { command: ['sleep', '3600'], env: {} });
    assert.ok(stream);
    await runtime.signalExec?.(handle, id, 'SIGKILL');
    for await (const _ of stream.output);
    const exit = await stream.exit;
    assert.ok(exit.signal === 'SIGKILL' || exit.code === 128 + 9, JSON.stringify(exit));
    await stream[Symbol.asyncDispose]();
  });
}

function files(check: Check): void {
  check('files written from outside are seen inside, and the other way round', async ({ runtime, order }) => {
    const handle = await runtime.start(order(), go());
    const session = await runtime.files?.(handle);
    assert.ok(session);
    await session.write('/tmp/in', chunks('from outside'), 0o640);
    assert.equal(await script(runtime, handle, 'cat /tmp/in; stat -c %a /tmp/in'), 'from outside640');
    await script(runtime, handle, 'echo from inside > /tmp/out; ln -s /tmp/out /tmp/link');
    assert.equal(await content(session.read('/tmp/out')), 'from inside\n');
    assert.equal(await content(session.read('/tmp/link')), 'from inside\n');
    await session[Symbol.asyncDispose]();
  });

  check("a link that points at the host's files stays inside", async ({ runtime, order }) => {
    const handle = await runtime.start(order(), go());
    await script(
      runtime,
      handle,
      'ln -s /etc/shadow /tmp/a; ln -s ../../../../../../../etc/shadow /tmp/b; ln -s / /tmp/up',
    );
    const session = await runtime.files?.(handle);
    assert.ok(session);
    for (const path of ['/tmp/a', '/tmp/b', '/tmp/up/../etc/shadow', '/../../etc/shadow']) {
      await assert.rejects(content(session.read(path)), (error) => error instanceof ArcError, path);
    }
    await session[Symbol.asyncDispose]();
  });
}

function measures(check: Check): void {
  check('counts what is used and lists what runs', async ({ runtime, order }) => {
    const handle = await runtime.start(order(), go());
    await script(runtime, handle, 'i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done');
    const stats = await runtime.stats?.(handle);
    assert.ok(stats && stats.cpuMs > 1 && stats.memoryBytes > 0 && stats.pids > 0, JSON.stringify(stats));
    const processes = await runtime.processes?.(handle);
    const first = processes?.[0];
    assert.match(first?.command ?? '', /sleep/);
    assert.equal(first?.uid, 0);
  });
}

function limits(check: Check): void {
  check('a program that wants too much memory is killed, and it is said', async ({ runtime, order }) => {
    const changes = { ...sh('exec tail -c 400m /dev/zero'), limits: { memoryBytes: 24 * MIB } };
    const handle = await runtime.start(order(changes), go());
    const exit = await runtime.wait(handle, go());
    assert.equal(exit.oom, true, JSON.stringify(exit));
  });

  check('a fork bomb stops at the limit and can be removed', async ({ runtime, order, residue }) => {
    const wanted = order({ limits: { pids: 24 } });
    const handle = await runtime.start(wanted, go());
    const bomb = 'i=0; while [ $i -lt 400 ]; do sleep 600 & i=$((i+1)); done; wait';
    await run(runtime, handle, { command: shell(bomb), timeoutMs: 3_000 }).catch(() => {}); // may take it all down
    const stats = await runtime.stats?.(handle);
    assert.ok(stats && stats.pids <= 24 * 3 + 128, JSON.stringify(stats));
    await runtime.destroy(wanted);
    assert.deepEqual(await residue(wanted.id), []);
  });

  check('the writable layer ends at its limit, in bytes and in files', async ({ runtime, order }) => {
    for (const diskKind of ['image', 'memory'] as const) {
      const handle = await runtime.start(order({ limits: { diskKind, diskBytes: 4 * MIB } }), go());
      const result = await run(runtime, handle, {
        command: ['dd', 'if=/dev/zero', 'of=/srv/big', 'bs=1M', 'count=64'],
      });
      assert.notEqual(result.exit.code, 0);
      assert.match(result.stderr, /No space left/);
      const many = 'rm /srv/big; i=0; while echo > /srv/f$i; do i=$((i+1)); [ $i -lt 20000 ] || exit 0; done; exit 1';
      assert.equal((await run(runtime, handle, { command: shell(many) })).exit.code, 1);
    }
  });

  check('open files end at their limit and core files are off', async ({ runtime, order }) => {
    const handle = await runtime.start(order({ limits: { openFiles: 77 } }), go());
    assert.equal(await script(runtime, handle, 'ulimit -n; ulimit -c'), '77\n0');
  });
}

async function* chunks(text: string): AsyncIterable<Uint8Array> {
  yield Buffer.from(text);
}

async function content(source: AsyncIterable<Uint8Array>): Promise<string> {
  const parts: Uint8Array[] = [];
  for await (const part of source) parts.push(part);
  return Buffer.concat(parts).toString('utf8');
}

/** Tries again until it holds, for a bounded number of times; each try takes as long as a command does. */
async function until(holds: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 200; tries += 1) if (await holds()) return;
  assert.fail('it did not come true');
}
