import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';

/**
 * Runs a file of this folder in a network namespace of its own, where it is a host: nothing that it does touches the addresses,
 * routes or rules of the machine that runs the tests. Gives what it prints, one document.
 */
export async function inOwnHost<Findings>(name: string): Promise<Findings> {
  const script = new URL(name, import.meta.url).pathname;
  const child = spawn('/usr/bin/unshare', ['--net', process.execPath, '--disable-warning=ExperimentalWarning', script]);
  let out = '';
  let complaint = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    out += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    complaint += text;
  });
  const code = await new Promise((resolve) => child.once('close', resolve));
  assert.equal(code, 0, complaint);
  return JSON.parse(out) as Findings;
}
