import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import { ArcError } from '../../contract/errors.ts';
import { type ConfigInput, configDocument, parseConfig, SETTINGS } from './index.ts';

const ROOT = { argv: [], env: {}, cwd: '/work', uid: 0, home: '/root', readFile: () => undefined };

const parse = (input: Partial<ConfigInput> = {}) => parseConfig({ ...ROOT, ...input });

/** A file system of one file. */
const file = (path: string, content: string) => ({
  readFile: (asked: string) => (asked === path ? content : undefined),
});

function faults(input: Partial<ConfigInput>): readonly string[] {
  try {
    parse(input);
  } catch (error) {
    assert.ok(error instanceof ArcError, String(error));
    assert.equal(error.code, 'invalid_config');
    return error.extra.faults as readonly string[];
  }
  return [];
}

test('with nothing given, root gets the documented defaults', () => {
  const config = parse();
  assert.equal(config.dataDir, '/var/lib/arc');
  assert.deepEqual(config.api, { host: '127.0.0.1', port: 7700 });
  assert.deepEqual(config.edge, { host: '127.0.0.1', port: 7780 });
  assert.equal(config.domain, 'localhost');
  assert.equal(config.networkRange.text, '10.199.0.0/16');
  assert.equal(config.networkRange.base, (10 << 24) | (199 << 16));
  assert.equal(config.config, undefined);
  assert.ok(Object.isFrozen(config));
});

test('who is not root has the data folder in the home folder', () => {
  assert.equal(parse({ uid: 1000, home: '/home/ada' }).dataDir, '/home/ada/.arc');
});

test('an option wins over a variable, a variable over the file, the file over the default', () => {
  const content = 'domain: from-file\nlogLevel: warn\nstartsAtOnce: 3\n';
  const config = parse({
    argv: ['--domain', 'from-flag'],
    env: { ARC_DOMAIN: 'from-variable', ARC_LOG_LEVEL: 'debug' },
    ...file('/var/lib/arc/config.yaml', content),
  });
  assert.equal(config.domain, 'from-flag');
  assert.equal(config.logLevel, 'debug');
  assert.equal(config.startsAtOnce, 3);
  assert.equal(config.config, '/var/lib/arc/config.yaml');
});

test('the file is looked for in the data folder that was chosen', () => {
  assert.equal(
    parse({ argv: ['--data-dir', 'data'], ...file('/work/data/config.yaml', 'domain: a.test') }).domain,
    'a.test',
  );
});

test('JSON and nested or dotted keys are the same settings', () => {
  for (const content of [
    '{"network":{"range":"10.9.0.0/16"}}',
    'network.range: 10.9.0.0/16',
    'network:\n  range: 10.9.0.0/16',
  ]) {
    assert.equal(parse(file('/var/lib/arc/config.yaml', content)).networkRange.text, '10.9.0.0/16');
  }
});

test('relative paths are beneath the working folder, and in a file beneath that of the file', () => {
  assert.equal(parse({ env: { ARC_DATA_DIR: 'here' } }).dataDir, '/work/here');
  const named = { argv: ['--config', '/etc/arc/arc.yaml'], ...file('/etc/arc/arc.yaml', 'dataDir: data') };
  assert.equal(parse(named).dataDir, '/etc/arc/data');
});

test('a switch is turned on by its bare option and off with =false', () => {
  assert.equal(parse({ argv: ['--json'] }).json, true);
  assert.equal(parse({ argv: ['--json=false'], env: { ARC_JSON: '1' } }).json, false);
  assert.equal(parse({ argv: ['--json', '--detach'] }).detach, true);
});

test('every fault of every source is told at once', () => {
  const told = faults({
    argv: ['--nonsense', '--api', 'here', 'stray', '--domain'],
    env: { ARC_NONSENSE: '1', ARC_STARTS_AT_ONCE: '0' },
    ...file('/var/lib/arc/config.yaml', 'nonsense: 1\nlogLevel: loud\nnetwork: { range: 8.8.8.0/24, other: 1 }\n'),
  });
  const parts = [
    'unknown option --nonsense',
    '--api must be',
    '"stray"',
    '--domain needs',
    'ARC_NONSENSE',
    'ARC_STARTS_AT_ONCE',
  ];
  for (const part of [
    ...parts,
    'unknown key nonsense',
    'logLevel must be',
    'network.range must lie',
    'network.other',
  ]) {
    assert.ok(
      told.some((fault) => fault.includes(part)),
      `${part} is missing from:\n${told.join('\n')}`,
    );
  }
  assert.equal(told.length, 10);
});

test('a wrong value is told even where a stronger source would have hidden it', () => {
  assert.equal(faults({ argv: ['--domain', 'ok'], env: { ARC_DOMAIN: 'NOT OK' } }).length, 1);
});

test('variables of client commands and of tests are let be', () => {
  assert.deepEqual(
    faults({ env: { ARC_URL: 'x', ARC_API_KEY: 'k', ARC_NODE: '/n', ARC_TEST_SEED: '1', HOME: '/root' } }),
    [],
  );
});

test('an option given twice is refused', () => {
  assert.deepEqual(faults({ argv: ['--domain', 'a', '--domain', 'b'] }), ['--domain is given more than once']);
});

test('a file that was named must be there, must be readable and must hold keys', () => {
  assert.match(faults({ argv: ['--config', 'no.yaml'] })[0] ?? '', /\/work\/no\.yaml .*does not exist/);
  const deny = () => {
    throw new Error('EACCES: permission denied');
  };
  assert.match(faults({ readFile: deny })[0] ?? '', /EACCES/);
  assert.match(faults(file('/var/lib/arc/config.yaml', '- a\n- b'))[0] ?? '', /must hold keys/);
  assert.match(faults(file('/var/lib/arc/config.yaml', 'a: [1'))[0] ?? '', /config\.yaml: /);
  assert.match(faults(file('/var/lib/arc/config.yaml', 'domain: a\ndomain: b'))[0] ?? '', /unique/i);
  assert.match(
    faults(file('/var/lib/arc/config.yaml', 'network: {range: &r 10.9.0.0/16}\ndomain: *r'))[0] ?? '',
    /aliases/,
  );
  assert.match(faults(file('/var/lib/arc/config.yaml', 'x'.repeat(300_000)))[0] ?? '', /longer/);
  assert.deepEqual(faults(file('/var/lib/arc/config.yaml', '# nothing yet\n')), []);
});

test('the file in the data folder can not move the data folder', () => {
  assert.match(faults(file('/var/lib/arc/config.yaml', 'dataDir: /elsewhere'))[0] ?? '', /can not be set/);
});

test('plain HTTP off loopback is refused until it is allowed', () => {
  assert.match(faults({ argv: ['--edge', '0.0.0.0:80'] })[0] ?? '', /not loopback/);
  assert.match(faults({ argv: ['--api', '[::]:7700'] })[0] ?? '', /not loopback/);
  assert.equal(parse({ argv: ['--edge', '0.0.0.0:80', '--insecure-bind'] }).edge.port, 80);
  assert.deepEqual(parse({ argv: ['--api', '[::1]:7700', '--edge', '127.0.0.9:1'] }).api, { host: '::1', port: 7700 });
});

test('TLS wants all of its settings, and makes an edge beyond loopback safe', () => {
  const [tls, cert, key] = [
    ['--edge-tls', '0.0.0.0:443'],
    ['--tls-cert', 'a.pem'],
    ['--tls-key', 'a.key'],
  ] as const;
  assert.match(faults({ argv: [...tls] })[0] ?? '', /needs a certificate/);
  assert.match(faults({ argv: [...cert, ...key] })[0] ?? '', /no use without --edge-tls/);
  assert.match(faults({ argv: [...tls, ...cert] })[0] ?? '', /need each other/);
  assert.match(faults({ argv: [...tls, ...cert, ...key, '--edge', '127.0.0.1:443'] })[0] ?? '', /same port/);
  assert.match(faults({ argv: ['--hsts-seconds', '-1'] })[0] ?? '', /--hsts-seconds/);
  assert.match(faults({ argv: ['--connections-per-client', '0'] })[0] ?? '', /--connections-per-client/);
  const config = parse({ argv: [...tls, ...cert, ...key, '--edge', '0.0.0.0:80'] });
  assert.deepEqual([config.tlsCert, config.tlsKey, config.hstsSeconds], ['/work/a.pem', '/work/a.key', 15_552_000]);
});

test('from when on operators are told can be set, and what is critical is not told later than what is not', () => {
  const config = parse({ argv: ['--alert-disk', '25', '--alert-queue-seconds', '120'] });
  assert.deepEqual([config.alertDisk, config.alertDiskCritical, config.alertQueueSeconds], [25, 3, 120]);
  assert.match(faults({ argv: ['--alert-disk', '2'] })[0] ?? '', /--alert-disk-critical 3 is more than --alert-disk 2/);
  assert.equal(parse({ argv: ['--alert-disk', '0'] }).alertDisk, 0, 'never');
  assert.match(faults({ argv: ['--alert-disk', '101'] })[0] ?? '', /--alert-disk/);
});

test('ACME wants agreement, a domain and TLS, and no files beside it', () => {
  const acme = ['--acme-directory', 'https://acme.example/dir'];
  const whole = [...acme, '--acme-agree-terms', '--edge-tls', '0.0.0.0:443', '--domain', 'sandboxes.example'];
  const hook = ['--acme-dns-hook', '/opt/hook,--zone,a'];
  assert.match(faults({ argv: whole.filter((word) => word !== '--acme-agree-terms') })[0] ?? '', /agreement/);
  assert.match(faults({ argv: whole.slice(0, -2) })[0] ?? '', /set --domain/);
  assert.match(
    faults({ argv: [...acme, '--acme-agree-terms', '--domain', 'a.example'] })[0] ?? '',
    /without --edge-tls/,
  );
  assert.match(faults({ argv: [...whole, '--tls-cert', 'a', '--tls-key', 'b'] })[0] ?? '', /exclude each other/);
  assert.match(faults({ argv: hook })[0] ?? '', /no use without --acme-directory/);
  assert.match(faults({ argv: [...whole, '--acme-dns-hook', 'hook'] })[0] ?? '', /absolute path/);
  assert.match(faults({ argv: [...whole, '--acme-email', 'nobody'] })[0] ?? '', /mail address/);
  assert.match(faults({ argv: [...whole, '--acme-directory=http://acme.example/dir'] }).join(), /https/);
  const config = parse({ argv: [...whole, ...hook, '--acme-email', 'ops@a.example'] });
  assert.deepEqual(config.acmeDnsHook, ['/opt/hook', '--zone', 'a']);
});

test('API and edge can not share one port, but may both let the kernel choose', () => {
  assert.match(faults({ argv: ['--edge', '127.0.0.1:7700'] })[0] ?? '', /same port/);
  assert.deepEqual(faults({ argv: ['--api', '127.0.0.1:0', '--edge', '127.0.0.1:0'] }), []);
});

test('an address range must be private, aligned, large enough and no metadata network', () => {
  for (const range of [
    '8.8.0.0/16',
    '169.254.0.0/16',
    '10.199.0.1/16',
    '10.0.0.0/8',
    '10.1.1.0/30',
    '100.100.0.0/16',
    'x',
    '10.0.0.0',
  ]) {
    assert.equal(faults({ argv: ['--network-range', range] }).length, 1, range);
  }
  assert.match(faults({ argv: ['--network-range', '10.9.9.0/24'] })[0] ?? '', /254 sandboxes/);
  assert.deepEqual(faults({ argv: ['--network-range', '192.168.64.0/24', '--max-sandboxes', '200'] }), []);
});

test('whatever is given, the outcome is a frozen configuration or invalid_config, never another error', () => {
  const flags = Object.values(SETTINGS).map((row) => row.flag);
  const word = fc.oneof(fc.constantFrom(...flags), fc.string(), fc.constantFrom('127.0.0.1:1', '10.9.0.0/16', 'true'));
  fc.assert(
    fc.property(fc.array(word, { maxLength: 8 }), fc.string(), (argv, content) => {
      try {
        assert.ok(Object.isFrozen(parse({ argv, readFile: () => content })));
      } catch (error) {
        assert.ok(error instanceof ArcError && error.code === 'invalid_config', String(error));
      }
    }),
    { numRuns: 300 },
  );
});

test('no two settings share an option, a variable or a file key', () => {
  const rows = Object.values(SETTINGS);
  for (const column of ['flag', 'variable', 'fileKey'] as const) {
    const names = rows.map((row) => row[column]).filter((name) => name !== undefined);
    assert.equal(new Set(names).size, names.length, column);
  }
  for (const [name, row] of Object.entries(SETTINGS)) assert.equal(row.key, name);
});

test('the reference page is what the table says', () => {
  const page = readFileSync(new URL('../../../docs/reference/config.md', import.meta.url), 'utf8');
  assert.equal(page, configDocument(), 'write it again from configDocument() in src/main/config/document.ts');
});
