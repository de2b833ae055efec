import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ResolvedSpec } from '../../contract/spec.ts';
import { ociConfig } from '../oci/config.ts';
import { execProcess, startProcess } from '../oci/process.ts';
import { sandboxFolder } from '../oci/sandbox-folder.ts';
import { seccompFor } from '../oci/seccomp.ts';
import { bwrap } from './bwrap.ts';
import { processDocument, startDocument } from './documents.ts';
import { hostPaths } from './host-root.ts';
import { masksOf } from './masks.ts';

const web = { uid: 33, gid: 34, groups: [4], home: '/srv' };
const spec = {
  command: ['serve', 'a b'],
  env: { SECRET: 's3cret' },
  cwd: '/srv',
  capabilities: ['SETUID', 'CHOWN'],
  limits: { openFiles: 512, memoryBytes: 16 << 20 },
} as unknown as ResolvedSpec;
const limits = { openFilesMax: 4096 };
const oci = ociConfig({
  id: 'sb-abcd',
  process: startProcess(spec, web, limits),
  rootMount: '/run/root',
  joins: 'paths',
  ids: { hostBase: 65_536, count: 65_536 },
  memoryBytes: 16 << 20,
  seccomp: seccompFor('x64', []),
});
const order = { oci, program: '/usr/bin/bwrap', namespaces: 'joined', masked: [], host: [] } as const;
const fieldsOf = (text: string) => text.split('\0').slice(0, -1);
/** The arguments behind an option, each time it stands there. */
const after = (argv: readonly string[], option: string, count = 1) =>
  argv.flatMap((one, at) => (one === option ? [argv.slice(at + 1, at + 1 + count).join(' ')] : []));

test('every namespace is made, but those that were made before', () => {
  const argv = bwrap.argv(order);
  for (const kind of ['pid', 'ipc', 'uts', 'cgroup']) assert.ok(argv.includes(`--unshare-${kind}`), kind);
  assert.ok(!argv.includes('--unshare-user') && !argv.includes('--unshare-net') && !argv.includes('--share-net'));
  const own = bwrap.argv({ ...order, namespaces: 'own' });
  assert.ok(own.includes('--unshare-user') && own.includes('--unshare-net'));
});

test('all capabilities are dropped, and only those given back that the first process or the template needs', () => {
  const argv = bwrap.argv(order);
  assert.deepEqual(after(argv, '--cap-drop'), ['ALL']);
  assert.deepEqual(after(argv, '--cap-add').sort(), [
    'CAP_CHOWN',
    'CAP_KILL',
    'CAP_SETGID',
    'CAP_SETPCAP',
    'CAP_SETUID',
  ]);
});

test('the filter is always there, and no other option takes its place', () => {
  assert.deepEqual(after(bwrap.argv(order), '--seccomp'), ['90']);
});

test('nothing of the host is shown but devices, unless its programs were asked for, and then read-only', () => {
  const argv = bwrap.argv({ ...order, masked: masksOf(() => 'file') });
  assert.deepEqual(after(argv, '--bind', 2), ['/run/root /']);
  const shown = after(argv, '--ro-bind', 2).filter((pair) => !pair.startsWith('/dev/null '));
  assert.ok(
    shown.every((pair) => /^(\/proc\/\S+) \1$/.test(pair)),
    shown.join(),
  );
  const host = bwrap.argv({ ...order, host: ['/usr', '/lib'] });
  assert.deepEqual(after(host, '--ro-bind', 2), ['/usr /usr', '/lib /lib']);
  assert.deepEqual(after(host, '--bind', 2), ['/run/root /']);
});

test("of the machine's own files programs and libraries are shown, and nothing that holds secrets", () => {
  for (const path of hostPaths()) {
    assert.match(path, /^\/(usr|bin|sbin|lib\w*|etc\/(alternatives|ld\.so\.cache|ssl\/certs))$/);
  }
});

test('masked are files and folders that this kernel has, each in its way', () => {
  const kinds: Record<string, 'file' | 'dir'> = { '/proc/keys': 'file', '/proc/acpi': 'dir', '/proc/sys': 'dir' };
  const masked = masksOf((path) => kinds[path]);
  assert.deepEqual(masked, [
    { path: '/proc/sys', kind: 'readonly' },
    { path: '/proc/acpi', kind: 'dir' },
    { path: '/proc/keys', kind: 'file' },
  ]);
  const argv = bwrap.argv({ ...order, masked });
  assert.ok(after(argv, '--ro-bind', 2).includes('/dev/null /proc/keys'));
  assert.ok(after(argv, '--tmpfs').includes('/proc/acpi') && after(argv, '--remount-ro').includes('/proc/acpi'));
});

test('secrets are in the document and in no command line', () => {
  const argv = bwrap.argv(order);
  assert.ok(argv.every((one) => !one.includes('s3cret')));
  const document = startDocument(oci.process, sandboxFolder('/data', 'sb-abcd'), argv, Buffer.from([1, 255]));
  assert.ok(fieldsOf(document).includes('env=SECRET=s3cret'));
  assert.ok(fieldsOf(document).includes('filter=01ff'));
});

test('a command is confined as the program is: same limits, groups of its user, same capabilities', () => {
  const of = (text: string, key: string) => fieldsOf(text).filter((field) => field.startsWith(`${key}=`));
  const one = processDocument(startProcess(spec, web, limits));
  const other = processDocument(execProcess(spec, { command: ['sh'], env: {} }, web, limits));
  for (const key of ['rlimit', 'cap', 'uid', 'gid', 'group']) assert.deepEqual(of(other, key), of(one, key), key);
  assert.deepEqual(of(one, 'cap').sort(), ['cap=0', 'cap=7']);
  assert.ok(of(one, 'rlimit').includes('rlimit=7:512') && of(one, 'rlimit').includes('rlimit=4:0'));
  assert.deepEqual(of(one, 'arg'), ['arg=serve', 'arg=a b']);
});

test('what can not be said is refused rather than left out', () => {
  const strange = startProcess({ ...spec, capabilities: ['SYS_ADMIN'] }, web, limits);
  assert.throws(() => processDocument(strange), /knows no CAP_SYS_ADMIN/);
  assert.throws(() => processDocument({ ...oci.process, args: ['a\0b'] }), /NUL/);
});
