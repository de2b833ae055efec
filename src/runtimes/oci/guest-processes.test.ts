import assert from 'node:assert/strict';
import { test } from 'node:test';
import { guestProcesses } from './guest-processes.ts';

test('the table of runsc is read by the names of its columns', () => {
  const table =
    'UID       PID       PPID      C         TTY       STIME     TIME      CMD\n' +
    '0         1         0         0         ?         08:31     10ms      sleep 3600\n' +
    '33        12        1         3         ?         08:32     0s        sh\n';
  const rows = guestProcesses(table);
  assert.deepEqual(
    rows.map(({ pid, ppid, uid, command }) => [pid, ppid, uid, command]),
    [
      [1, 0, 0, 'sleep 3600'],
      [12, 1, 33, 'sh'],
    ],
  );
});

test('what is not that table gives no processes', () => {
  assert.deepEqual(guestProcesses(''), []);
  assert.deepEqual(guestProcesses('[1]\n'), []);
});
