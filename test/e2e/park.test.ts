import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { CreateRequest } from '../../src/contract/schemas/sandbox.ts';
import { groupPaths, hierarchiesHere } from '../../src/host/cgroups/hierarchies.ts';
import { cgroupRoot } from '../../src/host/cgroups/root.ts';
import { type Answer, viaEdge } from './lib/fetch.ts';
import { kernelTruth } from './lib/kernel-truth.ts';
import { type LaunchedArc, launchArc } from './lib/launch.ts';
import { until } from './lib/until.ts';

/**
 * Park and wake on the real kernel, with the shortest limits there are. All sandboxes are made at once, so that they become
 * quiet together; each test wakes its own.
 */
const FROZEN = { hard: '2s', then: 'frozen' } as const;
const STOPPED = { hard: '2s', then: 'stopped' } as const;
const KEPT = { ...STOPPED, keep: true } as const;
const CROWD = 1_000;
/** Processor time of a busy bystander, ns: so much has gone by for all others too. */
const BUSY_NS = 100_000_000;

/** Says by what this very process is known, keeps files, and is busy where it is told to. */
const PROGRAM = `
import http.server, os, threading, time
born = os.urandom(8).hex().encode()
class Site(http.server.SimpleHTTPRequestHandler):
    def do_GET(self):
        if self.path != '/': return super().do_GET()
        self.send_response(200)
        self.send_header('content-length', str(len(born)))
        self.end_headers()
        self.wfile.write(born)
def spin():
    while True:
        for _ in range(20000): pass
        time.sleep(0.001)
if os.environ.get('BUSY'): threading.Thread(target=spin, daemon=True).start()
http.server.ThreadingHTTPServer(('', 8080), Site).serve_forever()
`;

let arc: LaunchedArc;
const made = new Map<string, string>();

before(async () => {
  arc = await launchArc({ octet: 219 });
  const { template } = await arc.client.templates.get('python');
  const program = { command: ['python3', '-c', PROGRAM], ready: { port: 8080 }, cpus: 0.5, pids: 64 };
  await arc.client.templates.add({ ...template, ...program, name: 'site' });
  const wanted: Record<string, Partial<CreateRequest>> = {
    bystander: { env: { BUSY: '1' } },
    busy: { idle: FROZEN, env: { BUSY: '1' } },
    leaving: { idle: FROZEN },
    frozenExec: { idle: FROZEN },
    frozenCrowd: { idle: FROZEN, template: 'whoami' },
    stoppedCrowd: { idle: STOPPED, template: 'whoami' },
    kept: { idle: KEPT },
    fresh: { idle: STOPPED, files: { '/root/given': 'given' } },
    stoppedExec: { idle: KEPT },
  };
  await Promise.all(
    Object.entries(wanted).map(async ([name, more]) => {
      made.set(name, (await arc.client.sandboxes.create({ template: 'site', ...more })).id);
    }),
  );
});
after(async () => {
  await arc[Symbol.asyncDispose]();
  const left = kernelTruth(arc.dataDir);
  assert.deepEqual([left.cgroups, left.interfaces, left.loops, left.mounts, left.helpers], [[], [], 0, 0, []]);
});

const idOf = (name: string) => made.get(name) ?? assert.fail(`there is no ${name}`);
const get = (name: string, path = '/'): Promise<Answer> =>
  viaEdge(arc.edge, new URL(arc.edge).host, `/_sb/${idOf(name)}${path}`);

async function body(name: string, path = '/'): Promise<string> {
  const answer = await get(name, path);
  assert.equal(answer.status, 200, `${name}: ${answer.body}`);
  return answer.body;
}

/** By what it says, once its kernel says the same: nothing runs of it, or nothing of it moves. */
async function parked(name: string, state: 'frozen' | 'stopped'): Promise<void> {
  const id = idOf(name);
  await until(`${name} is ${state}`, async () => {
    if ((await arc.client.sandboxes.get(id)).info.state !== state) return false;
    return state === 'frozen' ? standsStill(id) : !kernelTruth(arc.dataDir).alive.includes(id);
  });
}

function standsStill(id: string): boolean {
  const roots = ['/sys/fs/cgroup', '/sys/fs/cgroup/unified', '/sys/fs/cgroup/freezer'];
  const said = roots.flatMap((root) =>
    ['cgroup.events', 'freezer.state'].map((file) => textOf(join(root, cgroupRoot(arc.dataDir), id, file))),
  );
  return said.some((text) => /^(frozen 1|FROZEN)$/m.test(text));
}

const textOf = (path: string) => (existsSync(path) ? readFileSync(path, 'utf8') : '');

/** ns of processor time that it has had. */
function used(id: string): number {
  const { version, cpuacct } = groupPaths(hierarchiesHere(), cgroupRoot(arc.dataDir), id);
  if (version === 1) return Number(textOf(join(cpuacct, 'cpuacct.usage')));
  return Number(/^usage_usec (\d+)/m.exec(textOf(join(cpuacct, 'cpu.stat')))?.[1]) * 1_000;
}

const wakesOf = async (name: string) =>
  (await arc.client.sandboxes.get(idOf(name))).info.history.filter(
    ({ state, reason }) => reason === 'wake' && state !== 'starting',
  ).length;

const crowd = (name: string) => Promise.all(Array.from({ length: CROWD }, async () => (await get(name)).status));

test('a frozen one holds no processor, and a request finds the same process', async () => {
  const silent = await silentConnection('busy');
  const born = await body('busy');
  await parked('busy', 'frozen');
  assert.equal(silent.destroyed, false, 'a connection that stays open and says nothing has not kept it awake');
  silent.destroy();
  const [before, meanwhile] = [used(idOf('busy')), used(idOf('bystander'))];
  assert.ok(before > 0);
  await until('a busy one has gone on', async () => used(idOf('bystander')) > meanwhile + BUSY_NS);
  assert.equal(used(idOf('busy')), before);
  assert.equal(await body('busy'), born);
});

test('a stopped one comes back at the same address with its files where they are kept, and new where not', async () => {
  const born = new Map<string, string>();
  for (const name of ['kept', 'fresh']) {
    born.set(name, await body(name));
    await arc.client.sandboxes.handle(idOf(name)).exec(['sh', '-c', 'echo mine > /root/mine']);
    assert.equal(await body(name, '/mine'), 'mine\n');
  }
  for (const name of ['kept', 'fresh']) await parked(name, 'stopped');
  for (const name of ['kept', 'fresh']) assert.notEqual(await body(name), born.get(name));
  assert.equal(await body('kept', '/mine'), 'mine\n');
  assert.equal((await get('fresh', '/mine')).status, 404);
  assert.equal(await body('fresh', '/given'), 'given');
});

test('a command wakes', async () => {
  await Promise.all([parked('frozenExec', 'frozen'), parked('stoppedExec', 'stopped')]);
  for (const name of ['frozenExec', 'stoppedExec']) {
    assert.equal((await arc.client.sandboxes.handle(idOf(name)).exec(['echo', 'awake'])).stdout, 'awake\n');
  }
});

test('a thousand requests at once are all answered, and wake it once', async () => {
  await Promise.all([parked('frozenCrowd', 'frozen'), parked('stoppedCrowd', 'stopped')]);
  for (const name of ['frozenCrowd', 'stoppedCrowd']) {
    const before = await wakesOf(name);
    assert.deepEqual([...new Set(await crowd(name))], [200], name);
    assert.equal((await wakesOf(name)) - before, 1, name);
  }
});

test('what is parked when the server is killed wakes when it is back', async () => {
  const born = await body('busy');
  await Promise.all([parked('busy', 'frozen'), parked('kept', 'stopped'), parked('fresh', 'stopped')]);
  await arc.kill();
  assert.ok(standsStill(idOf('busy')), 'it stands still without a server');
  arc = await arc.again();
  assert.equal(await body('busy'), born);
  assert.equal(await body('kept', '/mine'), 'mine\n');
  await body('fresh');
});

test('what is frozen when the helper is killed answers in the end, as the same process', async () => {
  const born = await body('busy');
  await parked('busy', 'frozen');
  const [helper] = kernelTruth(arc.dataDir).helpers;
  assert.ok(helper !== undefined);
  process.kill(helper, 'SIGKILL');
  await until('there is another helper', async () => {
    const [now] = kernelTruth(arc.dataDir).helpers;
    return now !== undefined && now !== helper;
  });
  assert.equal(await body('busy'), born);
});

test('of a frozen one that is removed nothing is left', async () => {
  await parked('leaving', 'frozen');
  await arc.client.sandboxes.remove(idOf('leaving'));
  const { folders, cgroups } = kernelTruth(arc.dataDir);
  assert.deepEqual(
    [...folders, ...cgroups].filter((id) => id === idOf('leaving')),
    [],
  );
});

/** One that has had its answer and stays open. */
async function silentConnection(name: string): Promise<Socket> {
  const { hostname, port, host } = new URL(arc.edge);
  const socket = connect(Number(port), hostname);
  socket.on('error', () => {});
  socket.write(`GET /_sb/${idOf(name)}/ HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
  const [answer] = (await once(socket, 'data')) as [Buffer];
  assert.match(answer.toString(), /^HTTP\/1.1 200 /);
  return socket.resume();
}
