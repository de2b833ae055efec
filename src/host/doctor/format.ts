import type { Result, Status } from './check.ts';
import type { DoctorReport } from './doctor.ts';

const MARKS: Readonly<Record<Status, string>> = { ok: 'ok  ', warn: 'warn', fail: 'FAIL' };

/** For people: one line for what is right, three for what is not. */
export function formatDoctor(report: DoctorReport): string {
  const width = Math.max(...report.checks.map(({ title }) => title.length));
  const lines = report.checks.flatMap((result) => formatResult(result, width));
  lines.push('', ...formatOrphans(report), '', summary(report));
  return `${lines.join('\n')}\n`;
}

function formatResult({ title, status, found, cost, fix }: Result, width: number): readonly string[] {
  const first = `${MARKS[status]}  ${title.padEnd(width)}  ${found}`;
  if (status === 'ok') return [first];
  const indent = ' '.repeat(width + 8);
  return [first, `${indent}costs: ${cost}`, `${indent}to do: ${fix}`];
}

function formatOrphans({ orphans, orphansUnknown }: DoctorReport): readonly string[] {
  if (orphansUnknown !== undefined) return [`Orphans: not looked for, as ${orphansUnknown}.`];
  if (orphans.length === 0) return ['Orphans: none.'];
  const lines = orphans.map(({ kind, name, proof, outcome, error }) => {
    const end = outcome === 'failed' ? `could not be removed: ${error}` : outcome;
    return `  ${kind} ${name} (${proof}): ${end}`;
  });
  const left = orphans.some(({ outcome }) => outcome === 'left');
  return ['Orphans, which belong to no sandbox:', ...lines, ...(left ? ['Remove them with `arc doctor --reap`.'] : [])];
}

function summary({ checks, exitCode }: DoctorReport): string {
  const count = (status: Status) => checks.filter((result) => result.status === status).length;
  const verdict = exitCode === 0 ? 'This machine can hold sandboxes.' : 'Something has to be done.';
  return `${count('ok')} right, ${count('warn')} with a cost, ${count('fail')} failed. ${verdict}`;
}
