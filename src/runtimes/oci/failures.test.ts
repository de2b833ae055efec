import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ResolvedSpec } from '../../contract/spec.ts';
import { clean, missingCapability } from '../../domain/missing-capability.ts';
import { RuntimeFailed } from '../../host/helper/port.ts';
import { execFailure, startFailure } from './failures.ts';

const spec = { command: ['serve'], capabilities: [], limits: { memoryBytes: 4 << 20 } } as unknown as ResolvedSpec;
const failed = (output: string, oom = false) => new RuntimeFailed('the runtime ended with exit code 1', 1, output, oom);

test('what each runtime prints for a missing program is command_not_found', () => {
  for (const output of [
    'executable file `serve` not found in $PATH: No such file or directory',
    'open executable: Permission denied',
    'exec failed: unable to start container process: exec: "serve": executable file not found in $PATH',
    'starting container: starting root container: urpc method "containerManager.StartRoot" failed: error finding executable "serve" in PATH',
    'exec: "/etc": is a directory',
    'exec /serve: exec format error',
  ]) {
    assert.equal(startFailure(failed(output), spec).code, 'command_not_found', output);
  }
});

test('a kill for memory, or an allocation that failed, is memory_too_small', () => {
  assert.equal(startFailure(failed('', true), spec).code, 'memory_too_small');
  assert.equal(startFailure(failed('clone: Cannot allocate memory'), spec).code, 'memory_too_small');
});

test('anything else says what the runtime said', () => {
  const error = startFailure(failed('mount `proc` to `/proc`: Operation not permitted'), spec);
  assert.equal(error.code, 'start_failed');
  assert.match(error.message, /mount `proc`/);
  assert.equal(startFailure(failed(''), spec).message, 'the runtime ended with exit code 1');
});

test('a command that is not there is told apart from one that failed', () => {
  assert.equal(execFailure(failed('executable file `x` not found in $PATH'), ['x']).code, 'command_not_found');
  assert.equal(execFailure(failed('cannot set cwd'), ['x']).code, 'exec_failed');
});

test('the error for a lacking capability names the line to add', () => {
  const nginx =
    '2026/01/01 [emerg] 1#1: chown("/var/cache/nginx/client_temp", 101) failed (1: Operation not permitted)';
  assert.match(missingCapability(nginx, spec)?.message ?? '', /capabilities: \[CHOWN\]/);
  const drops = 'listening\nsetuid: Operation not permitted\n';
  assert.match(missingCapability(drops, spec)?.hint ?? '', /capabilities: \[SETUID, SETGID\]/);
});

test('capabilities that the template has already stay in the line', () => {
  const some = { ...spec, capabilities: ['CHOWN', 'SETUID'] } as ResolvedSpec;
  assert.match(missingCapability('setgid: EPERM', some)?.hint ?? '', /\[CHOWN, SETUID, SETGID\]/);
});

test('output that says nothing of a refusal names nothing', () => {
  assert.equal(missingCapability('setuid done\nsegmentation fault', spec), undefined);
  assert.equal(missingCapability('', spec), undefined);
});

test('terminal escapes and control characters do not get through', () => {
  assert.equal(clean('\u001b[31mred\u001b[0m\u0007 time="x" level=error msg="hi"'), 'red "hi"');
});
