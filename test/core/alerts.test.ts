import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ArcError } from '../../src/contract/errors.ts';
import { ALERT_LIMITS } from '../../src/domain/alerts/rules.ts';
import { ada, admin, failsWith, Plane } from './plane.ts';

const slack = { url: 'http://slack.test/', format: 'slack', filter: { events: ['alert'], labels: [] } } as const;

test('starts that fail reach Slack as one message, with one more when it is over', async () => {
  const plane = await Plane.started({ sweepMs: 600_000 });
  const texts: string[] = [];
  plane.send = async ({ body }) => {
    texts.push((JSON.parse(body) as { text: string }).text);
    return { kind: 'taken' };
  };
  await plane.now.hooks.create(admin, slack);
  plane.engine.create = async () => {
    throw new ArcError('helper_unavailable', 'the helper does not answer');
  };
  for (let count = 0; count < 6; count++) await plane.drive(plane.create({ template: 'web' }).catch(() => {}));
  await plane.clock.advance(60_000);
  assert.equal(texts.length, 1);
  assert.match(texts[0] ?? '', /^:red_circle: \*starts-failing\* 6 of 6 starts failed within ten minutes/);
  assert.deepEqual(
    plane.now.alerts.list(admin).map(({ name }) => name),
    ['starts-failing'],
  );
  assert.throws(() => plane.now.alerts.list(ada), failsWith('forbidden'));
  assert.throws(() => plane.now.alerts.report(ada), failsWith('forbidden'));
  await plane.clock.advance(15 * 60_000);
  assert.equal(texts.length, 2);
  assert.match(texts[1] ?? '', /^:large_green_circle: \*starts-failing\* is over/);
  assert.deepEqual(plane.now.alerts.list(admin), []);
  await plane.drive(plane.now.close());
});

test('limits are settings, and what is over is remembered over a restart', async () => {
  const limits = { ...ALERT_LIMITS, diskWarning: 0.5 };
  const plane = await Plane.started({ sweepMs: 600_000, alerts: limits });
  let availableBytes = 60;
  Object.assign(plane.engine, { diskSpace: async () => ({ totalBytes: 100, availableBytes }) });
  await plane.clock.advance(120_000);
  assert.deepEqual(plane.now.alerts.report(admin).firing, []);
  availableBytes = 40;
  await plane.clock.advance(120_000);
  assert.deepEqual(
    plane.now.alerts.report(admin).firing.map(({ name, severity }) => [name, severity]),
    [['disk-low', 'warning']],
  );
  availableBytes = 60;
  await plane.clock.advance(300_000);
  await plane.restart();
  const { firing, over, rules } = plane.now.alerts.report(admin);
  assert.deepEqual(firing, []);
  assert.deepEqual(
    over.map(({ name, since, endedAt }) => [name, endedAt > since]),
    [['disk-low', true]],
  );
  assert.match(rules.find(({ name }) => name === 'disk-low')?.when ?? '', /less than 50 %/);
  await plane.drive(plane.now.close());
});

test('a program that ends at once is no fault of the machine', async () => {
  const plane = await Plane.started({ sweepMs: 600_000 });
  plane.engine.create = async () => {
    throw new ArcError('command_not_found', 'there is no such program');
  };
  for (let count = 0; count < 9; count++) await plane.drive(plane.create({ template: 'web' }).catch(() => {}));
  await plane.clock.advance(60_000);
  assert.deepEqual(plane.now.alerts.list(admin), []);
  await plane.drive(plane.now.close());
});

test('a restart does not tell of the same again', async () => {
  const plane = await Plane.started({ sweepMs: 600_000 });
  const disk = async () => ({ totalBytes: 100, availableBytes: 1 });
  Object.assign(plane.engine, { diskSpace: disk });
  await plane.clock.advance(120_000);
  const alerts = async () => (await plane.events()).filter(({ type }) => type === 'alert');
  assert.equal((await alerts()).length, 1);
  await plane.restart();
  await plane.clock.advance(600_000);
  assert.equal((await alerts()).length, 1);
  assert.equal(plane.now.alerts.firing()[0]?.name, 'disk-low');
  await plane.drive(plane.now.close());
});
