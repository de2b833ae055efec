import type { VerifiedLevel, VerifyReport } from '../../contract/schemas/verify.ts';
import type { Command } from '../command.ts';
import { textTable } from '../text-table.ts';

const WORDS = { passed: 'ok', failed: 'FAILED', skipped: '-' } as const;

export const command: Command = {
  usage: ['verify'],
  about: `Starts sandboxes of every level that this server's machine gives and runs an adversary in them, as their program and as a
command: it tries every system call that must be refused, looks for files, devices, capabilities, namespaces and leftovers of
others, connects to the metadata service, this machine, Arc and a neighbour, and takes more of everything than it may.
Exit code 1 when it found anything. A level with a finding takes no work until it is verified again.`,
  options: {
    last: { type: 'boolean', about: 'show the newest report instead of running it again' },
  },
  positionals: { min: 0, max: 0, kinds: [] },
  async run({ out, err, json, args, connect }) {
    const client = await connect();
    const last = args.has('last');
    if (!last && !json) await err.write('an adversary is at work; some seconds for each level\n');
    const report = last ? await client.verified() : await client.verify();
    if (json) await out.json(report);
    else await out.write(describe(report));
    return report.passed ? 0 : 1;
  },
};

function describe(report: VerifyReport): string {
  const { levels } = report;
  const checks = new Map(levels.flatMap((level) => level.checks.map(({ id, title }) => [id, title] as const)));
  const rows = [...checks].map(([id, title]) => [
    id,
    ...levels.map((level) => WORDS[level.checks.find((one) => one.id === id)?.outcome ?? 'skipped']),
    title,
  ]);
  const head = ['CHECK', ...levels.map(({ level }) => level.toUpperCase()), 'WHAT MUST BE SO'];
  const findings = levels.flatMap(findingsOf);
  const absent = report.absent.map(({ level, note }) => `${level}: not here (${note})\n`);
  return [
    textTable(head, rows),
    '\n',
    ...levels.map(summary),
    ...absent,
    ...(findings.length === 0 ? [] : ['\nfindings\n', ...findings]),
  ].join('');
}

function summary({ level, runtime, passed, checks, tookMs }: VerifiedLevel): string {
  const failed = checks.filter(({ outcome }) => outcome === 'failed').length;
  const verdict = passed ? 'nothing found' : `${failed} checks FAILED`;
  return `${level} (${runtime}): ${verdict}, ${checks.length} checks, ${(tookMs / 1000).toFixed(1)} s\n`;
}

function findingsOf({ level, checks }: VerifiedLevel): readonly string[] {
  return checks.flatMap(({ id, findings }) =>
    findings.map(({ via, text }) => `  ${level}, ${id}, by ${via}: ${text}\n`),
  );
}
