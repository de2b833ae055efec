import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { AuditEntry, Sandbox } from '../../src/sdk/index.ts';
import {
  addChallenges,
  makeTeams,
  PWN,
  SECRET,
  served,
  solve,
  type Taken,
  TCP_PORTS,
  TEAMS,
  type Team,
  take,
  untilWarm,
  WEB,
  webAnswers,
} from './lib/contest.ts';
import { type LaunchedArc, launchArc } from './lib/launch.ts';
import { until } from './lib/until.ts';

/** A contest from its first second to the list of who started what; each test goes on where the one before it ended. */
let arc: LaunchedArc;
let teams: readonly Team[];
let all: readonly Taken[] = [];
before(async () => {
  arc = await launchArc({ octet: 161, flags: ['--tcp-ports', TCP_PORTS] });
  await addChallenges(arc, TEAMS);
  teams = await makeTeams(arc, TEAMS);
  await untilWarm(arc, TEAMS);
});
after(async () => {
  await arc[Symbol.asyncDispose]();
});

const one = (index: number): Taken => {
  const taken = all[index];
  assert.ok(taken, 'the teams have theirs');
  return taken;
};

test(`${TEAMS} teams ask for two challenges at the same second: all have theirs, none two`, async (t) => {
  const began = performance.now();
  // Every third is impatient and asks twice at once.
  const asked = await Promise.all(
    teams.map(async (team, index) => {
      const [taken, again] = await Promise.all([take(team), index % 3 === 0 ? take(team) : undefined]);
      if (again) assert.deepEqual([again.web.id, again.pwn.id], [taken.web.id, taken.pwn.id], team.name);
      await served(arc, taken);
      return taken;
    }),
  );
  t.diagnostic(`all of ${TEAMS} teams were served both after ${((performance.now() - began) / 1_000).toFixed(1)} s`);
  const cold = asked.flatMap(({ web, pwn }) => [web, pwn]).filter(({ info }) => info.start === 'cold');
  t.diagnostic(`${cold.length} of ${TEAMS * 2} were not taken from their pools`);
  for (const { team, web, pwn } of asked) {
    assert.deepEqual([web.state, pwn.state], ['running', 'running'], team.name);
    assert.deepEqual([web.info.owner, web.info.template, pwn.info.template], [team.name, WEB, PWN]);
  }
  assert.equal(new Set(asked.flatMap(({ web, pwn }) => [web.id, pwn.id])).size, TEAMS * 2);
  const there: string[] = [];
  for await (const { info } of arc.client.sandboxes.list()) there.push(`${info.owner} ${info.template}`);
  assert.equal(there.length, TEAMS * 2);
  assert.equal(new Set(there).size, TEAMS * 2, 'nobody has two of one');
  all = asked;
});

test('who asks again gets the same, also all at once', async () => {
  const again = await Promise.all(teams.map(take));
  assert.deepEqual(
    again.map(({ web, pwn }) => [web.id, pwn.id]),
    all.map(({ web, pwn }) => [web.id, pwn.id]),
  );
});

test('each team finds a flag of its own in both, which the organizers can name without looking', async () => {
  const found = new Set<string>();
  for (const index of [0, 1, TEAMS - 1]) {
    const { team, web, pwn } = one(index);
    const inWeb = await arc.client.sandboxes.handle(web.id).files.readText('/flag.txt');
    const inPwn = await solve(pwn, 'sesame');
    assert.equal(await solve(pwn, 'guess'), 'no');
    assert.equal(inWeb.trim(), await arc.client.secrets.flag(WEB, team.name));
    assert.equal(inPwn, await arc.client.secrets.flag(PWN, team.name));
    for (const flag of [inWeb, inPwn]) found.add(flag);
  }
  assert.equal(found.size, 6);
});

test('a team has no way to the instance of another', async () => {
  const [mine, theirs] = [one(0).team.client, one(1).web.id];
  await assert.rejects(mine.sandboxes.get(theirs), { code: 'sandbox_not_found' });
  await assert.rejects(mine.sandboxes.reset(theirs), { code: 'sandbox_not_found' });
  await assert.rejects(mine.secrets.flag(WEB, 'team-2'), { code: 'forbidden' });
});

test('a reset is fresh at the same address, with the same flag and at a team’s own wish', async () => {
  const { pwn, web } = one(4);
  const flag = await solve(pwn, 'sesame');
  await pwn.files.write('/tmp/mine', 'a door of my own');
  const before = pwn.info;
  const after = await pwn.reset();
  assert.deepEqual([after.id, after.urls], [before.id, before.urls]);
  assert.equal(after.incarnation, before.incarnation + 1);
  await assert.rejects(pwn.files.readText('/tmp/mine'), { code: 'file_not_found' });
  assert.equal(await solve(pwn, 'sesame'), flag);
  await web.reset();
  await webAnswers(arc, web);
});

test('more time is given, up to the most there is', async () => {
  const { web } = one(5);
  const before = Date.parse(web.info.expiresAt ?? '');
  const longer = Date.parse((await web.extend('150m')).expiresAt ?? '');
  assert.ok(longer > before, 'it is later');
  const most = Date.parse((await web.extend('10h')).expiresAt ?? '');
  const life = most - Date.parse(web.info.startedAt ?? web.info.createdAt);
  assert.ok(life <= 3 * 3_600_000 + 60_000, `${life} ms is about the three hours of the template`);
});

test('time runs out: the instance goes, and the next is a new one with the same flag', async () => {
  const { template } = await arc.client.templates.get(PWN);
  await arc.client.templates.add({ ...template, name: 'blitz', ttl: '2s', pool: { min: 0 } });
  const { client, name } = one(6).team;
  const first = await client.sandboxes.create({ template: 'blitz' });
  const flag = await arc.client.secrets.flag('blitz', name);
  const gone = async (sandbox: Sandbox) => {
    const state = await sandbox.refresh().then(
      (info) => info.state,
      () => 'removed',
    );
    return state === 'removed' || state === 'expired';
  };
  await until('its time has run out', () => gone(first));
  const second = await client.sandboxes.create({ template: 'blitz', ttl: '1h' });
  assert.notEqual(second.id, first.id);
  assert.equal(await solve(second, 'sesame'), flag);
});

test('the list says who started, reset and extended what, when and from where', async () => {
  const csv = await arc.cli('export', '--csv');
  assert.equal(csv.code, 0, csv.stderr);
  const [names, ...lines] = csv.stdout.trim().split('\n');
  assert.equal(names, 'time,owner,action,subject,detail,outcome,key,from');
  const json = JSON.parse((await arc.cli('export', '--json')).stdout) as readonly AuditEntry[];
  assert.equal(json.length, lines.length);
  const started = json.filter(({ action, outcome }) => action === 'sandbox.create' && outcome === 'done');
  for (const { team, web, pwn } of all) {
    for (const [id, template] of [
      [web.id, WEB],
      [pwn.id, PWN],
    ]) {
      const [entry, ...more] = started.filter(({ subject }) => subject === id);
      assert.deepEqual([entry?.owner, entry?.detail, entry?.from], [team.name, template, '127.0.0.1']);
      assert.deepEqual(more, [], 'started once');
    }
  }
  const did = (action: string, index: number) =>
    json.some((entry) => entry.action === action && entry.owner === one(index).team.name);
  assert.ok(did('sandbox.reset', 4) && did('sandbox.extend', 5));
  assert.ok(
    json.every(({ time }, index) => index === 0 || time >= (json[index - 1]?.time ?? '')),
    'the oldest first',
  );
  assert.ok(!csv.stdout.includes(SECRET));
});
