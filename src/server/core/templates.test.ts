import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Template } from '../../contract/schemas/template.ts';
import { MemoryStore } from '../../store/memory.ts';
import type { Store } from '../../store/store.ts';
import { FakeImages } from '../../testing/fakes/fake-images.ts';
import { ManualClock } from '../../testing/fakes/manual-clock.ts';
import type { Caller } from '../service.ts';
import { type TemplatePools, TemplateStore } from './templates.ts';

const admin: Caller = { owner: 'root', keyId: 'k', scopes: ['admin'] };
const reader: Caller = { owner: 'ada', keyId: 'k', scopes: ['templates:read'] };
const shell: Template = { name: 'shell', root: { builtin: 'shell' }, command: ['/bin/sh'] };
const juice: Template = { name: 'juice', root: { image: 'juice:1' } };
const { signal } = new AbortController();

const pools: TemplatePools = {
  added: async () => {},
  leaving: () => {},
  roots: () => [],
  status: () => undefined,
  statuses: () => [],
};

function subject(): { store: Store; images: FakeImages; templates: TemplateStore } {
  const store = new MemoryStore();
  const images = new FakeImages({ 'juice:1': { command: ['/juice'], ports: [3000] } });
  return { store, images, templates: new TemplateStore({ store, images, clock: new ManualClock(), pools }, [shell]) };
}

const sandboxOf = (store: Store, template: string, root: unknown, state = 'running') =>
  store.commit([
    {
      ...{ op: 'put', kind: 'sandbox', id: `sb-${template}` },
      value: { spec: { root } },
      indexes: { template: [template], state: [state], live: ['1'] },
    },
  ]);

describe('templates', () => {
  it('are the builtin ones and those that were added, with what their image says', async () => {
    const { templates } = subject();
    const phases: string[] = [];
    const record = await templates.add(admin, {
      template: juice,
      signal,
      onProgress: ({ phase }) => phases.push(phase),
    });
    assert.deepEqual([record.resolved.command, record.resolved.ports], [['/juice'], [3000]]);
    assert.ok('layers' in record.template.root && record.template.root.image === 'juice:1');
    assert.deepEqual(phases, ['ready']);
    assert.deepEqual(
      (await templates.list(reader)).map((one) => one.template.name),
      ['juice', 'shell'],
    );
    assert.deepEqual(await templates.get(reader, 'juice'), record);
    await assert.rejects(templates.get(reader, 'nope'), { code: 'template_not_found' });
  });

  it('ask for what loosens the box only where the operator lets them', async () => {
    const { store, images } = subject();
    const deps = { store, images, clock: new ManualClock(), pools, loosening: ['ctf-*'] };
    const templates = new TemplateStore(deps, [shell]);
    const loose = { ...shell, capabilities: ['SETUID'] } as const;
    await assert.rejects(
      templates.add(admin, { template: { ...loose, name: 'mine', capabilities: ['SETUID'] }, signal }),
      {
        code: 'forbidden',
      },
    );
    await templates.add(admin, { template: { ...loose, name: 'ctf-web', capabilities: ['SETUID'] }, signal });
    await templates.add(admin, { template: { ...shell, name: 'mine' }, signal });
  });

  it('have names of their own', async () => {
    const { templates } = subject();
    await assert.rejects(templates.add(admin, { template: shell, signal }), { code: 'template_exists' });
    const twice = [1, 2].map(() => templates.add(admin, { template: juice, signal }));
    const outcomes = await Promise.allSettled(twice);
    assert.deepEqual(
      outcomes.map((outcome) => outcome.status),
      ['fulfilled', 'rejected'],
    );
    await assert.rejects(templates.add(admin, { template: juice, signal }), { code: 'template_exists' });
  });

  it('leave nothing behind when they can not be added', async () => {
    const { store, images, templates } = subject();
    const absent = { ...juice, root: { image: 'absent:1' } };
    await assert.rejects(templates.add(admin, { template: absent, signal }), { code: 'image_not_found' });
    const bad = { ...juice, memory: '1B' };
    await assert.rejects(templates.add(admin, { template: bad, signal }), { code: 'invalid_template' });
    images.images.set('odd:1', { ports: [] });
    const late: Template = { ...juice, root: { image: 'odd:1' }, ready: { http: '/' } };
    await assert.rejects(templates.add(admin, { template: late, signal }), { code: 'invalid_template' });
    const held = { ...juice, root: { layers: [`sha256:${'0'.repeat(64)}`] } };
    await assert.rejects(templates.add(admin, { template: held, signal }), { code: 'template_not_found' });
    assert.equal(images.layers.size, 0);
    assert.equal(await store.count({ kind: 'template' }), 0);
  });

  it('can not be removed while sandboxes are made from them, nor when they are builtin', async () => {
    const { store, templates } = subject();
    const { resolved } = await templates.add(admin, { template: juice, signal });
    await sandboxOf(store, 'juice', resolved.root);
    await assert.rejects(templates.remove(admin, 'juice'), { code: 'template_in_use' });
    await assert.rejects(templates.remove(admin, 'shell'), { code: 'forbidden' });
    await sandboxOf(store, 'juice', resolved.root, 'failed');
    await templates.remove(admin, 'juice');
    await assert.rejects(templates.remove(admin, 'juice'), { code: 'template_not_found' });
  });

  it('can be changed by those only whose key says so', async () => {
    const { templates } = subject();
    await assert.rejects(templates.add(reader, { template: juice, signal }), { code: 'forbidden' });
    await assert.rejects(templates.remove(reader, 'shell'), { code: 'forbidden' });
    await assert.rejects(templates.prune(reader), { code: 'forbidden' });
  });
});

describe('a prune', () => {
  it('keeps the layers of templates and of live sandboxes', async () => {
    const { store, images, templates } = subject();
    const { resolved } = await templates.add(admin, { template: juice, signal });
    await images.addPath('/srv/unused', signal);
    assert.equal((await templates.prune(admin)).layers, 1);
    await templates.remove(admin, 'juice');
    await sandboxOf(store, 'other', resolved.root);
    assert.equal((await templates.prune(admin)).layers, 0);
    await store.commit([{ op: 'delete', kind: 'sandbox', id: 'sb-other' }]);
    assert.equal((await templates.prune(admin)).layers, 1);
  });

  it('waits for templates that are being added', async () => {
    const { images, templates } = subject();
    const [added] = await Promise.all([templates.add(admin, { template: juice, signal }), templates.prune(admin)]);
    await images.resolve(added.resolved.root);
  });
});
