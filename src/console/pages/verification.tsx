import type { JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { ArcError, type VerifiedLevel, type VerifyReport } from '../../sdk/index.ts';
import { plural } from '../lib/format.ts';
import { arc, session } from '../lib/session.ts';
import { sayError } from '../parts/toast.tsx';

/** What an adversary could do at every level: the newest report, and a button for a new one. For the scope `admin`. */

type Check = VerifiedLevel['checks'][number];
const BADGES = {
  passed: ['running', 'held'],
  failed: ['failed', 'found'],
  skipped: ['off', 'not here'],
} as const satisfies Record<Check['outcome'], readonly [string, string]>;

const mayAsk = (): boolean => session.value.state === 'in' && session.value.view.scopes.includes('admin');

export function Verification(): JSX.Element | null {
  const [report, setReport] = useState<VerifyReport>();
  const [busy, setBusy] = useState(false);
  const admin = mayAsk();
  useEffect(() => {
    if (!admin) return;
    arc()
      .verified()
      .then(setReport)
      // There is none yet: the first one is made in the background after a start.
      .catch((error: unknown) => !(error instanceof ArcError && error.code === 'not_found') && sayError(error));
  }, [admin]);
  if (!admin) return null;
  const run = async () => {
    setBusy(true);
    try {
      setReport(await arc().verify());
    } catch (error) {
      sayError(error);
    } finally {
      setBusy(false);
    }
  };
  return (
    <section class="card pad" aria-label="Verification" aria-busy={busy}>
      <div class="row">
        <h2>Verification</h2>
        {report && <Verdict report={report} />}
        <button type="button" class="end" disabled={busy} onClick={() => void run()}>
          {busy ? 'An adversary is at work…' : 'Verify now'}
        </button>
      </div>
      <p class="muted">
        A program of Arc’s runs in a sandbox of every level, as its program and as a command, and tries what must be
        refused. A level with a finding takes no work.
      </p>
      {report && <Findings levels={report.levels} />}
      {report && <Table levels={report.levels} />}
    </section>
  );
}

function Verdict({ report }: { readonly report: VerifyReport }): JSX.Element {
  return (
    <>
      <span class={`badge ${report.passed ? 'running' : 'failed'}`}>
        {report.passed ? 'nothing found' : 'something was found'}
      </span>
      <time class="muted small" dateTime={report.at}>
        {new Date(report.at).toLocaleString()}
      </time>
    </>
  );
}

function Findings({ levels }: { readonly levels: readonly VerifiedLevel[] }): JSX.Element | null {
  const found = levels.flatMap(({ level, checks }) =>
    checks.flatMap(({ id, findings }) => findings.map(({ via, text }) => `${level}, ${id}, by ${via}: ${text}`)),
  );
  if (found.length === 0) return null;
  return (
    <ul aria-label="Findings">
      {found.map((text) => (
        <li key={text}>{text}</li>
      ))}
    </ul>
  );
}

function Table({ levels }: { readonly levels: readonly VerifiedLevel[] }): JSX.Element {
  const titles = new Map(levels.flatMap(({ checks }) => checks.map(({ id, title }) => [id, title] as const)));
  return (
    <details>
      <summary>
        {plural(titles.size, 'check')} at {plural(levels.length, 'level')}
      </summary>
      <table class="plain">
        <thead>
          <tr>
            <th>What must be so</th>
            {levels.map(({ level }) => (
              <th key={level}>{level}</th>
            ))}
          </tr>
        </thead>
        <tbody>
          {[...titles].map(([id, title]) => (
            <tr key={id}>
              <td>{title}</td>
              {levels.map(({ level, checks }) => (
                <Cell key={level} check={checks.find((one) => one.id === id)} />
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </details>
  );
}

function Cell({ check }: { readonly check: Check | undefined }): JSX.Element {
  const [badge, word] = BADGES[check?.outcome ?? 'skipped'];
  return (
    <td title={check?.reason ?? check?.findings[0]?.text ?? ''}>
      <span class={`badge ${badge}`}>{word}</span>
    </td>
  );
}
