import assert from 'node:assert/strict';
import type { State } from '../../src/contract/states.ts';
import { isUp, mayFollow } from '../../src/domain/lifecycle.ts';
import { talliesOf, tallyNames } from '../../src/domain/quota.ts';
import type { WarmDoc } from '../../src/server/core/pool/warm.ts';
import type { SandboxRow } from '../../src/server/core/row.ts';
import type { EventRecord } from '../../src/server/service.ts';
import { OWNERS, PLANTED, STARTS_MAX, type World } from './world.ts';

/** What must hold after every step, and what must hold when everything has come to rest. */
export class Invariants {
  readonly #world: World;
  readonly #states = new Map<string, State>();
  /** True monotonic time of the first running, by id. */
  readonly #ranSince = new Map<string, number>();
  #seq = 0;
  claims = 0;

  constructor(world: World) {
    this.#world = world;
  }

  async afterStep(): Promise<void> {
    await this.#eventsFollowTheTable();
    this.#noAddressTwice();
    this.#routesLeadToTheirOwner();
    assert.deepEqual(this.#world.engine.complaints, []);
    assert.ok(this.#world.creating <= STARTS_MAX, `${this.#world.creating} starts at once`);
  }

  async #eventsFollowTheTable(): Promise<void> {
    for (;;) {
      const page = await this.#world.store.events<EventRecord>(this.#seq, 1_000);
      if (page.length === 0) return;
      for (const { seq, value } of page) {
        assert.ok(seq > this.#seq, 'events are in order');
        this.#seq = seq;
        if (value.type === 'sandbox') this.#follow(value);
      }
    }
  }

  #follow(event: EventRecord): void {
    const { subject: id, state, from, reason } = event;
    assert.ok(state, `event of ${id} without a state`);
    const before = this.#states.get(id);
    assert.equal(from, before, `${id}: an event starts from ${from} where the sandbox was ${before}`);
    if (from === undefined) assert.ok(state === 'queued' || reason === 'claimed', `${id} is born ${state}`);
    else if (reason !== 'extend' || from !== state) assert.ok(mayFollow(from, state), `${id}: ${from} → ${state}`);
    this.#states.set(id, state);
    if (reason === 'claimed') this.claims += 1;
    if (state === 'running' && !this.#ranSince.has(id)) this.#ranSince.set(id, this.#trueTime(event));
    if (reason === 'ttl') this.#notEarly(event);
  }

  /** A jump of the wall clock ends nobody's time early. */
  #notEarly(event: EventRecord): void {
    const since = this.#ranSince.get(event.subject);
    assert.ok(since !== undefined, `${event.subject} ended by its ttl and never ran`);
    const lived = this.#trueTime(event) - since;
    assert.ok(lived >= 20_000 - 1, `${event.subject} lived ${lived} ms of its ttl`);
  }

  /** The wall clock is only set between steps, so that within one it tells the true time. */
  #trueTime(event: EventRecord): number {
    return event.time - (this.#world.clock.now() - this.#world.clock.monotonic());
  }

  #noAddressTwice(): void {
    const owners = new Map<string, string>();
    for (const held of this.#world.engine.truth()) {
      if (held.phase !== 'running') continue;
      const other = owners.get(held.placement.address);
      assert.equal(other, undefined, `${held.id} and ${other} share ${held.placement.address}`);
      owners.set(held.placement.address, held.id);
    }
  }

  /** A route may lead nowhere for a moment, never to somebody else. */
  #routesLeadToTheirOwner(): void {
    const owners = new Map<string, string>();
    for (const held of this.#world.engine.truth()) {
      // What was planted is nobody's, and may have come to the address of what was lost a moment ago.
      if (held.phase === 'running' && !held.id.startsWith(PLANTED)) owners.set(held.placement.address, held.id);
    }
    for (const route of this.#world.router.routes.values()) {
      if (route.address === undefined) continue;
      const owner = owners.get(route.address);
      assert.ok(owner === undefined || owner === route.id, `the route of ${route.id} leads to ${owner}`);
    }
  }

  async atRest(): Promise<void> {
    await this.afterStep();
    const rows = await this.#rows();
    const held = new Map(this.#world.engine.truth().map((thing) => [thing.id, thing]));
    for (const row of rows.values()) {
      assert.equal(this.#states.get(row.id), row.state, `${row.id}: the last event says another state than its row`);
      this.#rowAtRest(row, held.get(row.id));
      const route = this.#world.router.routes.get(row.id);
      assert.equal(route?.state, row.state, `${row.id}: its route says ${route?.state}, its row ${row.state}`);
      assert.equal(route?.address, isUp(row.state) ? row.placement?.address : undefined);
    }
    await this.#sumsAtRest([...rows.values()]);
    await this.#poolsAtRest(held);
    for (const thing of held.values()) {
      const row = rows.get(thing.id);
      const wanted = row && (isUp(row.state) || row.state === 'stopped');
      assert.ok(wanted, `${thing.id} is held (${thing.phase}) and its row is ${row?.state ?? 'missing'}`);
    }
    for (const id of this.#world.router.routes.keys()) assert.ok(rows.has(id), `a route of ${id} and no row`);
    const documents = await this.#world.store.count({ kind: 'idempotency' });
    assert.ok(documents <= rows.size, 'idempotency keys go with their rows');
  }

  /** What quotas look at is what is there, whatever happened to the commits. */
  async #sumsAtRest(rows: readonly SandboxRow[]): Promise<void> {
    const sums = new Map<string, number>();
    for (const row of rows) {
      for (const [name, by] of Object.entries(talliesOf(row))) sums.set(name, (sums.get(name) ?? 0) + by);
    }
    for (const { owner } of OWNERS) {
      for (const name of Object.values(tallyNames(owner))) {
        assert.equal(await this.#world.store.tally('sandbox', name), sums.get(name) ?? 0, name);
      }
    }
  }

  /** Every warm one runs and waits, every pool is as full as it should be, and none of it is anybody's. */
  async #poolsAtRest(held: Map<string, ReturnType<World['engine']['truth']>[number]>): Promise<void> {
    for (const { id, value } of await this.#world.store.list<WarmDoc>({ kind: 'warm', limit: 500 })) {
      assert.equal(value.phase, 'ready', `warm ${id} is ${value.phase}`);
      const thing = held.get(id);
      assert.equal(thing?.phase, 'running', `warm ${id} is ${thing?.phase ?? 'not there'}`);
      if (thing?.phase === 'running') assert.deepEqual(thing.placement, value.placement);
      assert.equal(this.#states.get(id), undefined, `${id} is warm and somebody's`);
      held.delete(id);
    }
    for (const { template, ready, starting, target, problem } of this.#world.plane.templates.pools()) {
      assert.equal(starting, 0, `${template} is still being filled`);
      assert.ok(ready >= target || (template === 'sick' && problem), `${template} has ${ready} of ${target}`);
    }
  }

  #rowAtRest(row: SandboxRow, thing: ReturnType<World['engine']['truth']>[number] | undefined): void {
    assert.ok(row.state !== 'queued' && row.state !== 'starting', `${row.id} is still ${row.state}`);
    if (isUp(row.state)) {
      assert.equal(thing?.phase, 'running', `${row.id} is ${row.state}; the engine says ${thing?.phase}`);
      assert.equal(thing?.incarnation, row.incarnation);
      const frozen = thing?.phase === 'running' && thing.frozen === true;
      assert.equal(frozen, row.state === 'frozen', `${row.id} is ${row.state}; the engine says frozen: ${frozen}`);
      if (thing?.phase === 'running') assert.deepEqual(thing.placement, row.placement);
    } else {
      assert.notEqual(thing?.phase, 'running', `${row.id} is ${row.state} and runs`);
      assert.equal(row.placement, undefined);
    }
    assert.ok(row.history.length <= 50);
    if (row.deadline && isUp(row.state)) this.#notForEver(row);
  }

  /** Whatever the clocks did, a time to live that nobody extended ends. */
  #notForEver(row: SandboxRow): void {
    const since = this.#ranSince.get(row.id);
    const ttl = row.spec.ttlMs;
    if (since === undefined || ttl === null || row.deadline === undefined || row.labels.extended !== undefined) return;
    assert.ok(row.deadline.leftMs <= ttl, `${row.id} has more time left than its ttl`);
    if (row.deadline.boot !== this.#world.boot.id) assert.fail(`${row.id}: its deadline is of an earlier boot`);
    const left = row.deadline.leftMs - (this.#world.boot.uptimeMs() - row.deadline.atMs);
    assert.ok(left > -10_000, `${row.id} should have ended ${-left} ms ago`);
  }

  async #rows(): Promise<Map<string, SandboxRow>> {
    const rows = new Map<string, SandboxRow>();
    let after: string | undefined;
    for (;;) {
      const query = { kind: 'sandbox', limit: 500, ...(after === undefined ? {} : { after }) };
      const page = await this.#world.store.list<SandboxRow>(query);
      for (const doc of page) rows.set(doc.id, doc.value);
      after = page.at(-1)?.id;
      if (page.length < 500) return rows;
    }
  }
}
