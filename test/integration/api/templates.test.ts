import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Compile } from 'typebox/compile';
import { TemplateView } from '../../../src/contract/schemas/admin.ts';
import { startApi, until } from './harness.ts';

interface Problem {
  code: string;
  detail: string;
  faults?: { field: string }[];
}

const JUICE = { name: 'juice', root: { image: 'registry.example/juice:1' }, ports: [3000], memory: '256MiB' };
const YAML = `# kept in git
name: juice
root: { image: "registry.example/juice:1" }
ports: [3000]
memory: 256MiB
`;

test('a template is added as JSON or YAML, as it is or in a wrapper, and shown with what it comes to', async () => {
  for (const options of [
    { json: JUICE },
    { json: { template: JUICE } },
    { body: YAML, headers: { 'content-type': 'application/yaml' } },
    { body: YAML, headers: { 'content-type': 'text/yaml; charset=utf-8' } },
  ]) {
    const h = await startApi();
    await using _ = h;
    const response = await h.call('POST', '/v1/templates', options);
    assert.equal(response.status, 201);
    assert.equal(response.headers.get('location'), '/v1/templates/juice');
    const view: unknown = await response.json();
    assert.ok(Compile(TemplateView).Check(view), JSON.stringify(view));
    assert.deepEqual(view.template, JUICE);
    assert.deepEqual(await (await h.call('GET', '/v1/templates/juice')).json(), view);
    const list = (await (await h.call('GET', '/v1/templates')).json()) as { items: { name: string }[] };
    assert.deepEqual(
      list.items.map(({ name }) => name),
      ['whoami', 'juice'],
    );
    assert.equal((await h.call('DELETE', '/v1/templates/juice')).status, 204);
    assert.equal((await h.call('GET', '/v1/templates/juice')).status, 404);
  }
});

test('credentials come in the wrapper or a header and never come back', async () => {
  const h = await startApi();
  await using _ = h;
  const credentials = { username: 'me', password: 'p:w' };
  const first = await h.call('POST', '/v1/templates', { json: { template: JUICE, credentials } });
  assert.ok(!(await first.text()).includes('p:w'));
  const basic = `Basic ${Buffer.from('me:p:w').toString('base64')}`;
  const json = { ...JUICE, name: 'other' };
  assert.equal(
    (await h.call('POST', '/v1/templates', { json, headers: { 'registry-authorization': basic } })).status,
    201,
  );
  assert.deepEqual(
    h.templates.adds.map((add) => add.credentials),
    [credentials, credentials],
  );
  const odd = await h.call('POST', '/v1/templates', { json, headers: { 'registry-authorization': 'Bearer x' } });
  assert.equal(odd.status, 400);
});

test('a template with unknown keys or wrong values is refused with all of its faults', async () => {
  const h = await startApi();
  await using _ = h;
  const refused = async (options: Parameters<typeof h.call>[2]) => {
    const response = await h.call('POST', '/v1/templates', options);
    assert.equal(response.status, 400);
    return (await response.json()) as Problem;
  };
  const json = {
    name: 'a',
    root: { image: 'x', builtin: 'y' },
    colour: 'red',
    memory: '1 GB',
    capabilities: ['SYS_ADMIN'],
  };
  const body = await refused({ json });
  assert.equal(body.code, 'invalid_template');
  assert.deepEqual(body.faults?.map(({ field }) => field).sort(), [
    'template.capabilities.0',
    'template.colour',
    'template.memory',
    'template.root',
  ]);
  assert.equal((await refused({ json: { template: { name: 'a' } } })).code, 'invalid_template');
  assert.equal((await refused({ json: null })).code, 'invalid_template');
  const yaml = (text: string) => refused({ body: text, headers: { 'content-type': 'application/yaml' } });
  const bomb = `a: &a [x,x,x,x,x,x,x,x,x]\n${'bcdefgh'
    .split('')
    .map((key, at) => `${key}: &${key} [${`*${'abcdefg'[at]},`.repeat(9)}]`)
    .join('\n')}\n`;
  for (const text of [
    'a: [',
    'a: 1\na: 2',
    `${bomb}name: x`,
    '!!js/function "x"',
    'name: &a [*a]',
    '__proto__: {admin: true}\nname: x',
    '- 1',
    '',
  ]) {
    const problem = await yaml(text);
    assert.ok(['invalid_template', 'invalid_request'].includes(problem.code), text);
  }
  assert.equal(h.templates.adds.length, 0);
});

test("only an admin may take a root from the server's own disk", async () => {
  const h = await startApi();
  await using _ = h;
  const json = { name: 'host', root: { path: '/root' } };
  assert.equal((await h.call('POST', '/v1/templates', { json })).status, 403);
  assert.equal(h.templates.adds.length, 0);
  assert.equal((await h.call('POST', '/v1/templates', { json, key: h.admin })).status, 201);
});

test('asked for lines, adding tells its progress and then the template, or the error', async () => {
  const h = await startApi();
  await using _ = h;
  const lines = async (json: unknown) => {
    const response = await h.call('POST', '/v1/templates', { json, headers: { accept: 'application/x-ndjson' } });
    assert.equal(response.status, 200);
    return (await response.text())
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  };
  const added = await lines(JUICE);
  assert.deepEqual(added[0], { type: 'progress', layer: 'sha256:aa', done: 3, total: 3, phase: 'downloading' });
  assert.equal(added.at(-1)?.type, 'template');
  const failed = await lines({ ...JUICE, name: 'x', root: { image: 'missing' } });
  assert.equal((failed.at(-1) as { error: Problem }).error.code, 'image_not_found');
});

test('a client that goes away while its image is pulled stops the pull', async () => {
  for (const accept of ['application/json', 'application/x-ndjson']) {
    const h = await startApi();
    await using _ = h;
    h.templates.hang = true;
    const gone = new AbortController();
    const asking = h.call('POST', '/v1/templates', { json: JUICE, headers: { accept }, signal: gone.signal });
    asking.catch(() => {});
    await until(() => h.templates.adds.length === 1, 'the pull to begin');
    gone.abort();
    await until(() => h.templates.adds[0]?.signal.aborted === true, 'the pull to be stopped');
    assert.deepEqual(h.logged, []);
  }
});

test('prune says what it freed', async () => {
  const h = await startApi();
  await using _ = h;
  assert.deepEqual(await (await h.call('POST', '/v1/templates/prune')).json(), { layers: 2, bytes: 4096 });
});

test('keys are made with a secret that is shown once, listed without it, and revoked', async () => {
  const h = await startApi();
  await using _ = h;
  const json = { name: 'ci', owner: 'carol', scopes: ['sandboxes:read'] };
  const made = (await (await h.call('POST', '/v1/keys', { json, key: h.admin })).json()) as {
    id: string;
    secret: string;
  };
  assert.equal((await h.call('GET', '/v1/sandboxes', { key: made.secret })).status, 200);
  const listed = await (await h.call('GET', '/v1/keys', { key: h.admin })).text();
  assert.ok(listed.includes('carol') && !listed.includes(made.secret) && !listed.includes('hash'));
  assert.equal((await h.call('DELETE', `/v1/keys/${made.id}`, { key: h.admin })).status, 204);
  assert.equal((await h.call('GET', '/v1/sandboxes', { key: made.secret })).status, 401);
  assert.equal((await h.call('DELETE', `/v1/keys/${made.id}`, { key: h.admin })).status, 404);
  for (const bad of [
    { ...json, scopes: [] },
    { ...json, scopes: ['root'] },
    { ...json, owner: 'a b' },
    { ...json, name: 'x'.repeat(100) },
  ]) {
    assert.equal((await h.call('POST', '/v1/keys', { json: bad, key: h.admin })).status, 400);
  }
});
