import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { ArcError } from '../contract/errors.ts';
import type { ResolvedSpec } from '../contract/spec.ts';
import type { CreateOrder, EngineEvent, LevelReport } from '../engines/engine.ts';
import { Freezer } from '../host/cgroups/freezer.ts';
import { Blanks } from '../host/disk/blanks.ts';
import { RuntimeFailed } from '../host/helper/port.ts';
import { LayerCopies } from '../host/layers/layer-copies.ts';
import { networkPlan } from '../host/network/plan.ts';
import { silentLogger } from '../kit/logger.ts';
import { FLAVOURS, OciRuntime, Records } from '../runtimes/oci/index.ts';
import { FakeHelper } from '../testing/fakes/helper.ts';
import { ManualClock } from '../testing/fakes/manual-clock.ts';
import { SeededRng } from '../testing/fakes/seeded-rng.ts';
import { Agent, type AgentDeps } from './agent.ts';
import { Slots } from './slots.ts';

const signal = new AbortController().signal;
const MIB = 1024 * 1024;
const spec: ResolvedSpec = {
  ...{ template: 't', root: { kind: 'builtin', name: 'shell' }, command: ['serve'], env: {}, cwd: '/', user: '0' },
  ...{ ports: [], ready: { kind: 'none', timeoutMs: 1 }, isolation: 'container', capabilities: [], network: 'none' },
  limits: { memoryBytes: 64 * MIB, cpus: 1, pids: 16, openFiles: 64, diskBytes: MIB, diskKind: 'memory' },
  ...{ ttlMs: null, afterReboot: 'fail', logBytes: MIB },
};
const order = (id: string, changes: Partial<CreateOrder> = {}): CreateOrder => ({
  ...{ id: `sb-${id}`, incarnation: 1, owner: 'o', labels: {}, spec, fresh: true },
  ...changes,
});

async function node(t: TestContext, changes: Partial<AgentDeps> = {}) {
  const dir = await mkdtemp(join(tmpdir(), 'arc-agent-'));
  t.after(() => rm(dir, { recursive: true }));
  const helper = new FakeHelper(dir);
  const clock = new ManualClock();
  const slots = new Slots(8);
  const build = async (): Promise<Agent> => {
    const runtime = new OciRuntime(
      {
        ...{
          helper,
          plan: networkPlan('10.0.0.0/16', dir, 1500, (slot) => 0x1000_0000 + slot * 65_536),
          admit: async () => {},
          freezer: new Freezer(clock, '', 'arc'),
          records: new Records(),
          copies: new LayerCopies({ dataDir: dir, cp: '/nowhere', run: () => Promise.reject(new Error('not run')) }),
        },
        blanks: new Blanks({ dir, mkfs: '/nowhere', run: () => Promise.reject(new Error('not run')) }),
        ...{ sandboxesDir: dir, rootMount: dir, resolvers: [], limits: { openFilesMax: 64 }, arch: 'x64' },
        run: () => Promise.reject(new Error('not run')),
        lastOutput: async () => '',
        ...{ log: silentLogger, flavour: FLAVOURS.crun, program: '/crun', nsenter: '/nsenter' },
      },
      async (): Promise<readonly LevelReport[]> => [{ level: 'container', available: true, note: 'fine' }],
    );
    const agent = new Agent({
      ...{ node: 'n', runtimes: [runtime], helper, images: { resolve: async () => [] }, slots, sandboxesDir: dir },
      checkRules: async () => {},
      released: async () => {},
      explain: async () => undefined,
      ...{ clock, rng: new SeededRng(1), log: silentLogger },
      ...changes,
    });
    await agent.open();
    t.after(() => agent.close());
    return agent;
  };
  return { dir, helper, clock, slots, build, agent: await build() };
}

const code = (wanted: string) => (error: unknown) => error instanceof ArcError && error.code === wanted;

test('a start that fails in the runtime gives its slot back and leaves no folder', async (t) => {
  const { agent, helper, slots, dir } = await node(t);
  helper.failNext('start', new RuntimeFailed('ended', 1, 'executable file `serve` not found in $PATH', false));
  await assert.rejects(agent.create(order('aaaa'), signal), code('command_not_found'));
  assert.equal(slots.taken, 0);
  assert.deepEqual(await readdir(dir), []);
  assert.deepEqual(agent.list(), []);
});

test('a start whose clean-up fails, too, tells of the first failure, and the sweep finds the rest', async (t) => {
  const { agent, helper } = await node(t);
  helper.failNext('start', new ArcError('disk_full', 'no room'));
  helper.failNext('destroy', new ArcError('internal', 'stuck'));
  await assert.rejects(agent.create(order('aaaa'), signal), code('disk_full'));
  await agent.sweep();
  assert.deepEqual(agent.list(), [{ id: 'sb-aaaa', incarnation: 1, phase: 'partial' }]);
  await agent.destroy(order('aaaa'));
  assert.deepEqual(agent.list(), []);
});

test('when the helper is away nothing is taken for gone', async (t) => {
  const { agent, helper } = await node(t);
  await agent.create(order('aaaa'), signal);
  helper.failNext('list', new ArcError('helper_unavailable', 'away'));
  await assert.rejects(agent.sweep(), code('helper_unavailable'));
  assert.equal(agent.list()[0]?.phase, 'running');
});

test('an end that was missed is told after the helper is back, before the word to list again', async (t) => {
  const { agent, helper } = await node(t);
  const events: EngineEvent[] = [];
  agent.watch((event) => events.push(event));
  await agent.create(order('aaaa'), signal);
  helper.connection(false);
  helper.end('sb-aaaa', { code: 4 }, true);
  helper.connection(true);
  const resynced = () => events.some(({ type }) => type === 'resync');
  for (let turns = 0; turns < 1000 && !resynced(); turns += 1) await new Promise(setImmediate);
  assert.deepEqual(
    events.map(({ type }) => type),
    ['exited', 'resync'],
  );
});

test('what runs, what ended and what nobody explains is found again, with its slot', async (t) => {
  const { agent, helper, slots, build, dir } = await node(t);
  await agent.create(order('aaaa'), signal);
  await agent.create(order('bbbb'), signal);
  helper.end('sb-bbbb', { code: 3 }, true);
  await mkdir(join(dir, 'sb-cccc'));
  agent.close();
  const again = await build();
  const phases = again.list().map(({ id, phase }) => `${id} ${phase}`);
  assert.deepEqual(phases.sort(), ['sb-aaaa running', 'sb-bbbb exited', 'sb-cccc partial']);
  assert.equal(slots.taken, 2);
});

test('a late call for an older incarnation leaves the newer one alone', async (t) => {
  const { agent, helper } = await node(t);
  await agent.create(order('aaaa'), signal);
  await agent.create(order('aaaa', { incarnation: 2, fresh: false }), signal);
  await agent.stop(order('aaaa'));
  await agent.destroy(order('aaaa'));
  assert.equal(helper.held.get('sb-aaaa')?.phase, 'running');
  await assert.rejects(agent.create(order('aaaa'), signal), code('conflict'));
});

test('the helper is not asked to end what there is nothing of, and is asked where anything is left', async (t) => {
  const { agent, helper, dir } = await node(t);
  helper.failNext('destroy', new ArcError('internal', 'asked'));
  await agent.destroy(order('aaaa'));
  await mkdir(join(dir, 'sb-aaaa'));
  await assert.rejects(agent.destroy(order('aaaa')), code('internal'));
});

test('a restart that keeps its files stays in its slot; a fresh one begins anew', async (t) => {
  const { agent, helper } = await node(t);
  const slotOf = () => helper.orders.at(-1)?.slot;
  await agent.create(order('aaaa'), signal);
  const first = slotOf();
  await agent.create(order('aaaa', { incarnation: 2, fresh: false }), signal);
  assert.equal(slotOf(), first);
  await agent.create(order('aaaa', { incarnation: 3, fresh: true }), signal);
  assert.notEqual(slotOf(), first);
});

test('when all slots are taken a create is refused and can be tried again', async (t) => {
  const { agent } = await node(t);
  for (const letter of 'abcdefgh') await agent.create(order(letter.repeat(4)), signal);
  await assert.rejects(agent.create(order('zzzz'), signal), code('at_capacity'));
  await agent.destroy(order('aaaa'));
  await agent.create(order('zzzz'), signal);
});

test('a level that is not there is refused with those that are, and nothing weaker starts', async (t) => {
  const { agent, helper } = await node(t);
  const wanted = order('aaaa', { spec: { ...spec, isolation: 'gvisor' } });
  await assert.rejects(agent.create(wanted, signal), (error) => {
    assert.ok(error instanceof ArcError && error.code === 'isolation_unavailable');
    assert.deepEqual(error.extra.levels, ['container']);
    return true;
  });
  assert.deepEqual(helper.orders, []);
});

test('rules that can not be put in place stop every sweep from passing as well', async (t) => {
  const { agent } = await node(t, { checkRules: () => Promise.reject(new ArcError('host_unfit', 'no nft')) });
  await assert.rejects(agent.sweep(), code('host_unfit'));
});

test('an early end for the lack of a capability says which line to add', async (t) => {
  const { agent, helper } = await node(t, { explain: async () => 'add capabilities: [SETUID]' });
  const events: EngineEvent[] = [];
  agent.watch((event) => events.push(event));
  await agent.create(order('aaaa'), signal);
  helper.end('sb-aaaa', { code: 1 });
  await new Promise(setImmediate);
  const [event] = events;
  assert.ok(event?.type === 'exited');
  assert.equal(event.exit.note, 'add capabilities: [SETUID]');
});
