import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { stringify } from 'yaml';
import { ArcError } from '../contract/errors.ts';
import { type Fault, parseTemplate } from './template-document.ts';

function faultsOf(text: string, format: 'yaml' | 'json' = 'yaml'): readonly Fault[] {
  try {
    parseTemplate(text, format);
  } catch (error) {
    assert.ok(error instanceof ArcError && error.code === 'invalid_template', String(error));
    return error.extra.faults as readonly Fault[];
  }
  return [];
}

const full = {
  name: 'app',
  root: { image: 'docker.io/library/nginx:1.27' },
  command: ['nginx', '-g', 'daemon off;'],
  ports: [80, 8080],
  env: { A: 'b' },
  ready: { http: '/', timeout: '10s' },
  memory: '64MiB',
  cpus: 0.5,
  isolation: 'gvisor',
  capabilities: ['SETUID', 'SETGID'],
  network: 'none',
  labels: { team: 'blue' },
};

test('a document reads the same as YAML and as JSON', () => {
  assert.deepEqual(parseTemplate(stringify(full), 'yaml'), full);
  assert.deepEqual(parseTemplate(JSON.stringify(full, undefined, '\t'), 'json'), full);
});

test('every fault is named with its place, all at once', () => {
  const faults = faultsOf(`
name: Not A Name
root: {image: x, builtin: y}
ports: [80, 0, 70000]
memory: 64 megs
env: {1bad: x}
isolation: jail2
capabilities: [SYS_ADMIN]
ready: {http: nope, tiemout: 3s}
command: []
cpus: many
labels: {a: 7}
replicas: 3
`);
  const fields = faults.map(({ field }) => field);
  for (const field of [
    'name',
    'root',
    'ports.1',
    'ports.2',
    'memory',
    'env.1bad',
    'isolation',
    'capabilities.0',
    'ready.http',
    'ready.tiemout',
    'command',
    'cpus',
    'labels.a',
    'replicas',
  ]) {
    assert.ok(fields.includes(field), `${field} in ${fields}`);
  }
  assert.match(faults.find(({ field }) => field === 'isolation')?.message ?? '', /one of .*gvisor/);
  assert.match(
    faults.find(({ field }) => field === 'root')?.message ?? '',
    /one of the keys builtin, image, path, layers/,
  );
  assert.deepEqual(
    faultsOf('{}').map(({ field, message }) => `${field} ${message}`),
    ['name is missing', 'root is missing'],
  );
});

test('what YAML can do beyond data is refused', () => {
  const bad = {
    'a key twice': 'name: a\nname: b\nroot: {builtin: shell}',
    'a custom tag': 'name: !!js/function x\nroot: {builtin: shell}',
    'a tag of our own': 'name: !env HOME\nroot: {builtin: shell}',
    'two documents': 'name: a\n---\nname: b',
    'a merge key': 'x: &x {name: a}\n<<: *x\nroot: {builtin: shell}',
    'a key that is no text': '? [a]\n: b\nname: a',
    'a list': '- a',
    nothing: '',
    'broken text': 'name: "a',
    'an unknown alias': 'name: *nobody',
    'a prototype': '__proto__: {name: a}\nname: a\nroot: {builtin: shell}',
  };
  for (const [what, text] of Object.entries(bad)) assert.notDeepEqual(faultsOf(text), [], what);
  assert.notDeepEqual(faultsOf('{"name":"a","name":"b","root":{"builtin":"shell"}}', 'json'), []);
  assert.notDeepEqual(faultsOf("{name: 'a'}", 'json'), []);
});

test('aliases may be used, but not to blow a document up', () => {
  const twice = parseTemplate('name: a\nroot: {builtin: shell}\ncommand: &c [sh]\nready: {command: *c}', 'yaml');
  assert.deepEqual(twice.ready, { command: ['sh'] });
  let text = 'a0: &a0 [x, x]\n';
  for (let level = 1; level < 40; level += 1) text += `a${level}: &a${level} [*a${level - 1}, *a${level - 1}]\n`;
  assert.match(faultsOf(text)[0]?.message ?? '', /alias/i);
});

test('documents too long or nested too deeply are refused quickly', () => {
  const deep = '['.repeat(100_000);
  for (const [text, format] of [
    [`name: ${'x'.repeat(300_000)}`, 'yaml'],
    [`root: ${deep}`, 'yaml'],
    ['{'.repeat(10_000), 'yaml'],
    ['? '.repeat(10_000), 'yaml'],
    ['- '.repeat(30_000), 'yaml'],
    [`name: ${'&a '.repeat(5_000)}`, 'yaml'],
    [`{"root":${deep}${']'.repeat(100_000)}}`, 'json'],
  ] as const) {
    assert.notDeepEqual(faultsOf(text, format), []);
  }
});

test('whatever text comes, the answer is a valid template or invalid_template', () => {
  const key = fc.constantFrom('name', 'root', 'ports', 'ready', 'env', 'memory', '__proto__', 'constructor', 'x');
  const value = fc.letrec((tie) => ({
    any: fc.oneof(
      { maxDepth: 4 },
      fc.string(),
      fc.integer(),
      fc.constant(null),
      fc.array(tie('any'), { maxLength: 4 }),
      fc.dictionary(key, tie('any'), { maxKeys: 5 }),
    ),
  })).any;
  const document = fc.dictionary(key, value, { maxKeys: 9 });
  const noise = fc.string({ unit: 'grapheme', maxLength: 200 });
  const texts = fc.oneof(
    noise,
    fc.stringMatching(/^[a-z:&*!{}[\],\-"'|>% \n]{0,80}$/),
    document.map((d) => stringify(d)),
  );
  fc.assert(
    fc.property(texts, (text) => {
      faultsOf(text, 'yaml');
      faultsOf(text, 'json');
    }),
    { numRuns: 1500 },
  );
  fc.assert(
    fc.property(document, (made) => void faultsOf(JSON.stringify(made), 'json')),
    { numRuns: 500 },
  );
});
