import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { runProgram } from '../../src/kit/run.ts';
import { ROOT } from './sources.ts';

const unit = readFileSync(join(ROOT, 'deploy/systemd/arc.service'), 'utf8');

/** Section, key and value of each setting. */
function settings(text: string): readonly (readonly [string, string, string])[] {
  let section = '';
  return text.split('\n').flatMap((line) => {
    if (line.trim() === '' || /^[#;]/.test(line)) return [];
    const header = /^\[([A-Z][a-z]+)\]$/.exec(line)?.[1];
    if (header !== undefined) {
      section = header;
      return [];
    }
    const [, key, value] = /^([A-Za-z]+)=(.*)$/.exec(line) ?? [];
    assert.ok(key !== undefined && value !== undefined && section !== '', `not a setting: ${line}`);
    return [[section, key, value] as const];
  });
}

const service = new Map(settings(unit).map(([section, key, value]) => [`${section}.${key}`, value]));

test('a restart of the service stops the server only, and always brings it back', () => {
  assert.equal(service.get('Service.ExecStart'), '/opt/arc/arc up');
  assert.equal(service.get('Service.KillMode'), 'process');
  assert.equal(service.get('Service.Restart'), 'always');
  assert.equal(service.get('Service.OOMPolicy'), 'continue');
  assert.equal(service.get('Service.Delegate'), 'yes');
  assert.equal(service.get('Unit.StartLimitIntervalSec'), '0');
  assert.match(service.get('Service.TimeoutStopSec') ?? '', /^[0-9]+s$/);
  assert.equal(service.get('Install.WantedBy'), 'multi-user.target');
});

test('nothing in it is inherited by sandboxes or separates the helper from the next server', () => {
  const harmful =
    /^(Private\w+|Protect\w+|Read\w+Paths|InaccessiblePaths|Bind\w*Paths|Root\w+|SystemCall\w+|LockPersonality|Restrict\w+|MemoryDenyWriteExecute|UMask|OOMScoreAdjust|Device\w+|DynamicUser|User|NoNewPrivileges)$/;
  assert.deepEqual(
    settings(unit).filter(([, key]) => harmful.test(key)),
    [],
  );
});

test('systemd itself finds nothing wrong with it', async (t) => {
  const analyze = '/usr/bin/systemd-analyze';
  if (!existsSync(analyze)) return t.diagnostic('this machine has no systemd-analyze; the two tests above stand alone');
  const folder = mkdtempSync('/tmp/arc-unit-');
  t.after(() => rmSync(folder, { recursive: true }));
  // The program is checked for being there; here it is in the repository and not where the unit has it installed.
  writeFileSync(join(folder, 'arc.service'), unit.replaceAll('/opt/arc', ROOT));
  const { code, stdout, stderr } = await runProgram([analyze, 'verify', '--man=no', join(folder, 'arc.service')], {
    env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', SYSTEMD_LOG_LEVEL: 'warning' },
    timeoutMs: 60_000,
  });
  const about = `${stdout}${stderr}`.split('\n').filter((line) => line.includes('arc.service'));
  assert.deepEqual(about, []);
  assert.equal(code, 0, stderr);
});
