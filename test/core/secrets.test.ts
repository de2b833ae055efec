import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { flagFor } from '../../src/domain/flag.ts';
import type { CreateOrder } from '../../src/engines/engine.ts';
import { memoryFiles } from './memory-files.ts';
import { ada, admin, bob, builtin, failsWith, Plane } from './plane.ts';

const operator = { ...admin, owner: 'admin' };
const VALUE = 'correct horse battery staple';
const TEMPLATES = [
  builtin('keeps', { secrets: [{ secret: 'ctf', env: 'KEY', file: '/etc/key' }] }),
  builtin('keeps-as-user', { user: 'www-data', secrets: [{ secret: 'ctf', file: '/etc/key' }] }),
  builtin('keeps-open', { secrets: [{ secret: 'ctf', file: '/etc/key', mode: '0644' }] }),
  builtin('hunt', { ports: [80], flag: { secret: 'ctf', file: '/flag.txt' }, onePerOwner: true }),
  builtin('hunt-warm', { ports: [80], flag: { secret: 'ctf', file: '/flag.txt' }, pool: { min: 1 } }),
  builtin('hunt-env', { flag: { secret: 'ctf', env: 'FLAG', format: 'CTF-%s' } }),
];

/** Sees what the engine is asked for, and what is written into sandboxes. */
class Watched extends Plane {
  readonly #orders = new Map<string, CreateOrder>();
  readonly #files = new Map<string, string>();
  readonly modes = new Map<string, number>();

  override async start(): Promise<void> {
    this.engine.files = memoryFiles(this.#files, this.modes);
    this.plan({
      create: (order) => {
        this.#orders.set(order.id, order);
        return { delayMs: 0, outcome: 'ok' };
      },
    });
    await super.start();
  }

  envOf(id: string): Readonly<Record<string, string>> | undefined {
    return this.#orders.get(id)?.spec.env;
  }

  written(id: string): Readonly<Record<string, string>> {
    const own = [...this.#files].filter(([path]) => path.startsWith(`${id}:`));
    return Object.fromEntries(own.map(([path, text]) => [path.slice(id.length + 1), text]));
  }
}

async function withSecret(): Promise<Watched> {
  const plane = new Watched({}, TEMPLATES);
  // Known before pools begin, as it is for an operator who starts Arc again.
  await plane.now.secrets.set(operator, 'ctf', VALUE);
  await plane.start();
  return plane;
}

const flagOf = (owner: string, template: string, format = 'flag{%s}') => flagFor(VALUE, owner, template, format);

describe('a secret', () => {
  it('comes into the sandbox as a variable and a file, and is nowhere else', async () => {
    const plane = await withSecret();
    const id = await plane.made('keeps');
    assert.equal(plane.envOf(id)?.KEY, VALUE);
    assert.deepEqual(plane.written(id), { '/etc/key': VALUE });
    assert.ok(!JSON.stringify(plane.commits).includes(VALUE), 'nothing that is stored has it in clear');
    assert.ok(!JSON.stringify(await plane.events()).includes(VALUE));
    const record = await plane.now.sandboxes.get(ada, id);
    assert.ok(!JSON.stringify(record).includes(VALUE));
    assert.ok(!JSON.stringify(await plane.now.secrets.list(operator)).includes(VALUE));
  });

  it('in a file is read by nobody else where the program is root inside, by all where it is not, and as asked', async () => {
    const plane = await withSecret();
    const modeOf = async (template: string) => {
      const id = await plane.made(template);
      return [...plane.modes].find(([path]) => path.startsWith(`${id}:`))?.[1]?.toString(8);
    };
    assert.equal(await modeOf('keeps'), '400');
    assert.equal(await modeOf('keeps-as-user'), '444');
    assert.equal(await modeOf('keeps-open'), '644');
    assert.equal(await modeOf('hunt'), '444');
  });

  it('of one owner is not there for another', async () => {
    const plane = await withSecret();
    await plane.now.secrets.set(ada, 'mine', 'x');
    assert.deepEqual(await plane.now.secrets.list(bob), []);
    await assert.rejects(plane.now.secrets.remove(bob, 'mine'), failsWith('secret_not_found'));
    const asked = { template: 'job', secrets: [{ secret: 'mine', env: 'MINE' }] };
    await assert.rejects(plane.drive(plane.create(asked, {}, bob)), failsWith('secret_not_found'));
    const { id } = await plane.drive(plane.create(asked));
    assert.equal(plane.envOf(id)?.MINE, 'x');
    const names = { template: 'job', secrets: [{ secret: 'ctf', env: 'STOLEN' }] };
    await assert.rejects(plane.drive(plane.create(names)), failsWith('secret_not_found'));
  });

  it('goes nowhere is refused, as is a path that is none', async () => {
    const plane = await withSecret();
    for (const use of [
      { secret: 'mine' },
      { secret: 'mine', file: '/proc/1/mem' },
      { secret: 'mine', file: '/a/../b' },
    ]) {
      await assert.rejects(
        plane.drive(plane.create({ template: 'job', secrets: [use] })),
        failsWith('invalid_request'),
      );
    }
  });

  it('that was swapped with another in the database does not open', async () => {
    const plane = await withSecret();
    await plane.now.secrets.set(operator, 'other', 'x');
    const doc = await plane.store.get<object>('secret', 'admin/other');
    await plane.store.commit([{ op: 'put', kind: 'secret', id: 'admin/ctf', value: doc?.value }]);
    await assert.rejects(plane.drive(plane.create({ template: 'keeps' })), failsWith('secret_not_found'));
  });
});

describe('a flag', () => {
  it('is another for each owner and template, and the same after a reset', async () => {
    const plane = await withSecret();
    const id = await plane.made('hunt');
    assert.deepEqual(plane.written(id), { '/flag.txt': `${flagOf('ada', 'hunt')}\n` });
    await plane.drive(plane.now.sandboxes.reset(ada, id, { waitMs: 30_000, signal: new AbortController().signal }));
    assert.deepEqual(plane.written(id), { '/flag.txt': `${flagOf('ada', 'hunt')}\n` });
    const other = await plane.drive(plane.create({ template: 'hunt' }, {}, bob));
    assert.deepEqual(plane.written(other.id), { '/flag.txt': `${flagOf('bob', 'hunt')}\n` });
    assert.notEqual(flagOf('ada', 'hunt'), flagOf('bob', 'hunt'));
    assert.notEqual(flagOf('ada', 'hunt'), flagOf('ada', 'hunt-warm'));
  });

  it('is put into a warm sandbox when it is claimed', async () => {
    const plane = await withSecret();
    await plane.clock.advance(1_000);
    const { id, start } = await plane.drive(plane.create({ template: 'hunt-warm' }));
    assert.equal(start, 'claimed');
    assert.deepEqual(plane.written(id), { '/flag.txt': `${flagOf('ada', 'hunt-warm')}\n` });
  });

  it('can be a variable, and is told to admins only', async () => {
    const plane = await withSecret();
    const id = await plane.made('hunt-env');
    const wanted = flagOf('ada', 'hunt-env', 'CTF-%s');
    assert.match(wanted, /^CTF-[0-9a-f]{32}$/);
    assert.equal(plane.envOf(id)?.FLAG, wanted);
    const { resolved } = await plane.now.templates.get(admin, 'hunt-env');
    assert.equal(await plane.now.secrets.flag(admin, resolved, 'ada'), wanted);
    await assert.rejects(plane.now.secrets.flag(ada, resolved, 'ada'), failsWith('forbidden'));
  });
});
