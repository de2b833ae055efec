import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { ArcError } from '../contract/errors.ts';
import type { Template } from '../contract/schemas/template.ts';
import { LEVELS } from '../contract/states.ts';
import { formatDuration, formatSize } from '../contract/units.ts';
import { levelRank } from './choose-level.ts';
import { BOUNDS, DEFAULTS, mergeLabels, resolveRequest, resolveTemplate } from './resolve.ts';

const root = { kind: 'builtin', name: 'shell' } as const;
const template = (more: Partial<Template> = {}): Template => ({
  name: 'web',
  root: { builtin: 'shell' },
  command: ['/bin/web'],
  ...more,
});
const faultsOf = (work: () => unknown): readonly string[] => {
  try {
    work();
  } catch (error) {
    assert.ok(error instanceof ArcError);
    return (error.extra.faults as readonly string[] | undefined) ?? [error.code];
  }
  return [];
};

describe('a template', () => {
  it('that says nothing gets the defaults', () => {
    const spec = resolveTemplate(template(), root);
    assert.deepEqual(spec.limits, {
      memoryBytes: 128 * 1024 ** 2,
      cpus: 1,
      pids: 256,
      openFiles: 4096,
      diskBytes: 256 * 1024 ** 2,
      diskKind: 'image',
    });
    assert.deepEqual(
      [spec.isolation, spec.network, spec.ttlMs, spec.afterReboot],
      ['container', 'none', null, 'recreate'],
    );
    assert.deepEqual([spec.user, spec.cwd, spec.logBytes, spec.env.PATH], ['0', '/', 8 * 1024 ** 2, DEFAULTS.path]);
    assert.equal(spec.ready.kind, 'none');
  });

  it('takes what its image says where it says nothing itself', () => {
    const image = { command: ['/entry'], env: { PATH: '/opt', A: '1' }, cwd: '/srv', user: 'www', ports: [3000, 9000] };
    const { command: _own, ...silent } = template({ env: { A: '2' } });
    const spec = resolveTemplate(silent, root, image);
    assert.deepEqual([spec.command, spec.cwd, spec.user, spec.ports], [['/entry'], '/srv', 'www', [3000, 9000]]);
    assert.deepEqual(spec.env, { PATH: '/opt', A: '2' });
    assert.deepEqual(spec.ready, { kind: 'port', port: 3000, timeoutMs: 30_000 });
    assert.deepEqual(resolveTemplate(template({ ports: [80] }), root, image).ports, [80]);
    assert.equal(resolveTemplate(template(), root, { cwd: '', user: '' }).cwd, '/');
  });

  it('is ready when its readiness check says so', () => {
    const ready = (more: Partial<Template>) => resolveTemplate(template(more), root).ready;
    assert.deepEqual(ready({ ports: [80], ready: { http: '/up', timeout: '1m' } }), {
      kind: 'http',
      path: '/up',
      port: 80,
      timeoutMs: 60_000,
    });
    assert.deepEqual(ready({ ports: [80], ready: { port: 81 } }), { kind: 'port', port: 81, timeoutMs: 30_000 });
    assert.deepEqual(ready({ ports: [80], ready: { command: ['/ok'] } }).kind, 'command');
  });

  it('is told all its faults at once', () => {
    const faults = faultsOf(() =>
      resolveTemplate(template({ memory: '1B', ttl: '0', ready: { http: '/', timeout: '9999h' }, logs: '1GB' }), root),
    );
    assert.equal(faults.length, 4, faults.join('\n'));
    assert.deepEqual(
      faults.map((fault) => fault.split(':')[0]),
      ['ready.timeout', 'ready.http', 'memory', 'ttl'],
    );
    const both = template({ ready: { command: ['/ok'], port: 1 } });
    assert.match(faultsOf(() => resolveTemplate(both, root)).join(), /excludes/);
    assert.match(faultsOf(() => resolveTemplate(template({ command: ['a\0b'] }), root)).join(), /NUL/);
  });
});

describe('a request', () => {
  const base = resolveTemplate(
    template({ isolation: 'container', network: 'public', ttl: '1h', env: { A: '1' } }),
    root,
  );
  const request = (more: object) => resolveRequest(base, { template: 'web', ...more });

  it('goes over its template', () => {
    const spec = request({
      command: ['/x'],
      env: { B: '2' },
      memory: '64MiB',
      cpus: 0.5,
      pids: 9,
      disk: '2MiB',
      ttl: '5s',
    });
    assert.deepEqual(spec.limits, {
      ...base.limits,
      memoryBytes: 64 * 1024 ** 2,
      cpus: 0.5,
      pids: 9,
      diskBytes: 2 * 1024 ** 2,
    });
    assert.deepEqual([spec.command, spec.env.A, spec.env.B, spec.ttlMs], [['/x'], '1', '2', 5_000]);
    assert.deepEqual(request({}), base);
  });

  it('gets the level it asks for when it is as strong as the template’s, else is refused', () => {
    // A root of programs for the machine is nothing for the level wasm.
    const level = fc.constantFrom(...LEVELS.filter((one) => one !== 'wasm'));
    fc.assert(
      fc.property(level, level, (least, asked) => {
        const from = resolveTemplate(template({ isolation: least }), root);
        const weaker = levelRank(asked) < levelRank(least);
        const faults = faultsOf(() => resolveRequest(from, { template: 'web', isolation: asked }));
        assert.deepEqual(faults, weaker ? ['isolation_too_weak'] : []);
        if (!weaker) assert.equal(resolveRequest(from, { template: 'web', isolation: asked }).isolation, asked);
      }),
    );
  });

  it('may close the network and never open it', () => {
    assert.equal(request({ network: 'none' }).network, 'none');
    const closed = resolveTemplate(template(), root);
    assert.match(
      faultsOf(() => resolveRequest(closed, { template: 'web', network: 'public' })).join(),
      /template web allows none/,
    );
  });

  it('needs a command from somewhere', () => {
    const { command: _none, ...silent } = template();
    const from = resolveTemplate(silent, root);
    assert.deepEqual(
      faultsOf(() => resolveRequest(from, { template: 'web' })),
      ['invalid_template'],
    );
    assert.deepEqual(resolveRequest(from, { template: 'web', command: ['/x'] }).command, ['/x']);
  });

  it('gets exactly the sizes and times it asks for within the bounds', () => {
    const memory = fc.integer({ min: BOUNDS.memoryBytes.min, max: BOUNDS.memoryBytes.max });
    const ttl = fc.integer({ min: BOUNDS.ttlMs.min, max: BOUNDS.ttlMs.max });
    fc.assert(
      fc.property(memory, ttl, (bytes, ms) => {
        const text = formatSize(bytes);
        fc.pre(/^\d{1,12}[A-Za-z]+$/.test(text));
        const spec = request({ memory: text, ttl: formatDuration(ms) });
        assert.deepEqual([spec.limits.memoryBytes, spec.ttlMs], [bytes, ms]);
      }),
    );
  });
});

it('a request may close what its template opens to everybody, and never open it', () => {
  const open = resolveTemplate(template(), root);
  assert.equal(open.access, undefined);
  assert.deepEqual(resolveTemplate(template({ tcp: [1337] }), root).tcp, [1337]);
  assert.equal(resolveRequest(open, { template: 'web' }).access, undefined);
  assert.equal(resolveRequest(open, { template: 'web', access: 'token' }).access, 'token');
  const byPort = resolveTemplate(template({ access: { 80: 'open' } }), root);
  assert.deepEqual(resolveRequest(byPort, { template: 'web' }).access, { 80: 'open' });
  assert.equal(resolveRequest(byPort, { template: 'web', access: 'token' }).access, 'token');
});

it('labels of a request go over the template’s, and all together are bounded', () => {
  assert.deepEqual(mergeLabels({ a: '1', b: '1' }, { b: '2' }), { a: '1', b: '2' });
  assert.deepEqual(mergeLabels(undefined, undefined), {});
  const many = Object.fromEntries(Array.from({ length: 20 }, (_, at) => [`k${at}`, '']));
  const more = Object.fromEntries(Array.from({ length: 20 }, (_, at) => [`l${at}`, '']));
  assert.throws(() => mergeLabels(many, more), /more than 32/);
});
