import { readlinkSync } from 'node:fs';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { asArcError } from '../../contract/errors.ts';
import { encodeId, ID_BYTES } from '../../contract/ids.ts';
import type { VerifiedLevel } from '../../contract/schemas/verify.ts';
import type { ResolvedSpec } from '../../contract/spec.ts';
import type { Level } from '../../contract/states.ts';
import type { Expectation } from '../../domain/verify/check.ts';
import { FACTS_BYTES_MAX, type Facts, parseFacts } from '../../domain/verify/facts.ts';
import { judge, type Seen } from '../../domain/verify/judge.ts';
import { INTERNET, refusedTargets } from '../../domain/verify/targets.ts';
import { answersTcp, hostAddresses, openListener } from '../../host/verify/listener.ts';
import { CleanupStack } from '../../kit/cleanup.ts';
import type { Clock, Rng } from '../../kit/clock.ts';
import type { Handle, Runtime, StartOrder } from '../../runtimes/runtime.ts';

export interface VerifyParts {
  readonly dataDir: string;
  /** An id and a slot that are nobody's else until they are given back. */
  readonly borrow: () => Promise<{ readonly id: string; readonly slot: number; readonly giveBack: () => void }>;
  /** Layers of a root that holds `/adversary` and nothing of anybody's. */
  readonly root: () => Promise<readonly string[]>;
  /** What it prints, as it comes; ends with the signal. */
  readonly output: (id: string, signal: AbortSignal) => AsyncIterable<Uint8Array>;
  readonly gateway: string;
  /** Ports of Arc itself. */
  readonly arcPorts: () => readonly number[];
  /** What the host sees of a sandbox and its neighbour that must not be so, in words. */
  readonly outside: (level: Level, id: string, neighbour: string) => readonly string[];
  readonly kernelOf: (level: Level) => Expectation['kernel'];
  /** What the list of system calls lets through. */
  readonly calls: Expectation['calls'];
  readonly callName: Expectation['callName'];
  readonly clock: Clock;
  readonly rng: Rng;
}

const MIB = 1024 * 1024;
const PORT = 8080;
/** By emulation everything takes its time. */
const LEVEL_MS = 240_000;
const CONTROL_MS = 20_000;
const LAST_WORDS_MS = 500;
const TAIL_BYTES = 64;
const ADVERSARY = '/adversary';
const KINDS = ['user', 'mnt', 'pid', 'net', 'ipc', 'uts', 'cgroup'] as const;
const LIMITS = { memoryBytes: 64 * MIB, cpus: 1, pids: 48, openFiles: 256, diskBytes: 8 * MIB } as const;

/** Runs the adversary at one level of this node: as a sandbox's program, as a command in it, and beside it. */
export async function verifyLevel(runtime: Runtime, level: Level, parts: VerifyParts): Promise<VerifiedLevel> {
  const { clock } = parts;
  const began = clock.monotonic();
  const limit = new AbortController();
  const cancel = clock.after(LEVEL_MS, () => limit.abort(new Error(`it took longer than ${LEVEL_MS} ms`)));
  try {
    const { seen, expected } = await attack(runtime, level, parts, limit.signal);
    const checks = [...judge(seen, expected)];
    const passed = checks.every(({ outcome }) => outcome !== 'failed');
    return { level, runtime: runtime.name, passed, tookMs: Math.round(clock.monotonic() - began), checks };
  } finally {
    cancel();
  }
}

async function attack(
  runtime: Runtime,
  level: Level,
  parts: VerifyParts,
  signal: AbortSignal,
): Promise<{ seen: Seen; expected: Expectation }> {
  const undo = new CleanupStack();
  try {
    const canary = await placeCanary(parts, undo);
    const listener = await openListener();
    await undo.add('listener', async () => await listener[Symbol.asyncDispose]());
    const start = starter(runtime, level, parts, undo, signal);
    const neighbour = await start('none', [ADVERSARY, 'serve'], 'memory');
    const host = [...new Set([parts.gateway, ...hostAddresses()])];
    const refusedBy = (other: Handle) =>
      refusedTargets({
        ...{ host, listener: listener.port, arc: parts.arcPorts() },
        ...{ neighbour: other.address, neighbourPort: PORT },
      });
    const refused = refusedBy(neighbour);
    const unproven = [...(await controls(neighbour, listener.port, parts.clock, signal))];
    const how = ['look', ...(parts.kernelOf(level) === 'own' ? ['own-kernel'] : []), 'press', `canary=${canary}`];
    const targets = ['reach', ...refused, ...INTERNET];
    const subject = await start('public', [ADVERSARY, 'stay', ...how, ...targets], 'image');
    const create = await programFacts(runtime, subject, parts, signal);
    const run = (handle: Handle, ...argv: string[]) => command(runtime, handle, [ADVERSARY, ...argv], parts.rng);
    const exec = await run(subject, ...how, ...targets).catch((error: unknown) => {
      unproven.push(`it can not be entered any more: ${asArcError(error).message}`);
      return parseFacts('');
    });
    const besideTargets = [...refusedBy(subject), ...INTERNET];
    const beside = await run(neighbour, 'reach', ...besideTargets);
    const outside = parts.outside(level, subject.id, neighbour.id);
    const expected: Expectation = {
      ...{ level, kernel: parts.kernelOf(level), calls: parts.calls, callName: parts.callName },
      ...{ limits: { ...LIMITS, diskKind: 'image' }, env: [], hostname: hostname() },
      version: (await readFile('/proc/version', 'utf8')).trim(),
      othersNamespaces: new Set([...ownNamespaces(), ...beside.of('namespace').map(([, id = '']) => id)]),
      refusedTargets: new Set(refused),
      noNetworkTargets: new Set(besideTargets),
    };
    return { seen: { create, exec, neighbour: beside, outside, unproven }, expected };
  } finally {
    await undo.run();
  }
}

/** A file that every user of this machine may read, with a name that nobody can know. */
async function placeCanary({ dataDir, rng }: VerifyParts, undo: CleanupStack): Promise<string> {
  const path = join(dataDir, `canary-${Buffer.from(rng.bytes(ID_BYTES)).toString('hex')}`);
  await writeFile(path, 'of the host\n', { mode: 0o644 });
  await undo.add('canary', () => rm(path, { force: true }));
  return path;
}

type Start = (network: 'none' | 'public', command: readonly string[], diskKind: 'image' | 'memory') => Promise<Handle>;

function starter(runtime: Runtime, level: Level, parts: VerifyParts, undo: CleanupStack, signal: AbortSignal): Start {
  return async (network, command, diskKind) => {
    const lowers = await parts.root();
    const { id, slot, giveBack } = await parts.borrow();
    await undo.add('slot', async () => giveBack());
    const spec: ResolvedSpec = {
      template: 'verify',
      root: { kind: 'builtin', name: 'adversary' },
      ...{ command, env: {}, cwd: '/', user: '0', ports: [PORT], ready: { kind: 'none', timeoutMs: LEVEL_MS } },
      limits: { ...LIMITS, diskKind },
      ...{ isolation: level, capabilities: [], network, ttlMs: null, afterReboot: 'fail', logBytes: FACTS_BYTES_MAX },
    };
    const order: StartOrder = { id, slot, lowers, incarnation: 1, spec, fresh: true, labels: {}, owner: 'arc' };
    await undo.add('sandbox', () => runtime.destroy(order));
    return await runtime.start(order, signal);
  };
}

/** What is attacked must be there, else nothing is proven by not reaching it. */
async function controls(
  neighbour: Handle,
  port: number,
  clock: Clock,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const limit = new AbortController();
  const cancel = clock.after(CONTROL_MS, () => limit.abort());
  const within = AbortSignal.any([signal, limit.signal]);
  try {
    const there = await answersTcp(neighbour.address, PORT, clock, within);
    const [first] = hostAddresses();
    const listens = await answersTcp(first ?? '127.0.0.1', port, clock, within);
    return [
      ...(there ? [] : ['the neighbour that is to be attacked does not answer this machine']),
      ...(listens ? [] : ['the listener that is to be attacked does not answer this machine']),
    ];
  } finally {
    cancel();
  }
}

/** Until the adversary says that it is at its end, or is ended. */
async function programFacts(
  runtime: Runtime,
  subject: Handle,
  { clock, output }: VerifyParts,
  signal: AbortSignal,
): Promise<Facts> {
  const over = new AbortController();
  const within = AbortSignal.any([signal, over.signal]);
  // What it said last is in its log a moment later.
  runtime
    .wait(subject, within)
    .then(() => clock.sleep(LAST_WORDS_MS, within))
    .then(
      () => over.abort(),
      () => {},
    );
  const pieces: Uint8Array[] = [];
  let tail = '';
  for await (const piece of output(subject.id, within)) {
    pieces.push(piece);
    tail = (tail + Buffer.from(piece).toString('latin1')).slice(-TAIL_BYTES);
    if (/(^|\n)end\tyes\n/.test(tail)) break;
  }
  over.abort();
  return parseFacts(Buffer.concat(pieces).toString('utf8'));
}

async function command(runtime: Runtime, handle: Handle, argv: readonly string[], rng: Rng): Promise<Facts> {
  if (runtime.exec === undefined) return parseFacts('');
  const id = encodeId('ex', rng.bytes(ID_BYTES));
  await using stream = await runtime.exec(handle, id, { command: argv, env: {}, timeoutMs: LEVEL_MS });
  await stream.closeStdin().catch(() => {}); // it may be over already
  const pieces: Uint8Array[] = [];
  for await (const piece of stream.output) if (piece.stream === 'stdout') pieces.push(piece.data);
  return parseFacts(Buffer.concat(pieces).toString('utf8'));
}

function ownNamespaces(): readonly string[] {
  return KINDS.flatMap((kind) => {
    try {
      return [readlinkSync(`/proc/self/ns/${kind}`)];
    } catch {
      return []; // a kernel without this kind
    }
  });
}

/** A verification that could not be made is one that failed: nothing is proven. */
export function notVerified(runtime: Runtime, level: Level, error: unknown): VerifiedLevel {
  const text = `the adversary could not be run: ${asArcError(error).message}`;
  const title = 'the adversary came to its end, and its targets were there';
  const check = { id: 'complete', title, outcome: 'failed', findings: [{ via: 'outside', text }] } as const;
  return {
    level,
    runtime: runtime.name,
    passed: false,
    tookMs: 0,
    checks: [{ ...check, findings: [...check.findings] }],
  };
}
