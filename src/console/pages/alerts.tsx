import type { JSX } from 'preact';
import type { AlertReport } from '../../sdk/index.ts';
import { dateTime, plural } from '../lib/format.ts';
import { useLoaded } from '../lib/loaded.ts';
import { BASE } from '../lib/router.ts';
import { arc } from '../lib/session.ts';
import { LoadedCard } from '../parts/loading.tsx';
import { Age, Empty } from '../parts/small.tsx';

/** The server looks every five seconds itself; what it found is told as an event only when it is sent somewhere, too. */
const LOOK_MS = 5_000;

/** What an operator should know of now, what is over, and when each is told. */
export function AlertsPage(): JSX.Element {
  const report = useLoaded(() => arc().alertReport(), LOOK_MS);
  return (
    <main class="page" id="main">
      <div class="head">
        <h1>Alerts</h1>
        <span class="muted">{report.value && plural(report.value.items.length, 'alert')} now</span>
        <a class="button end" href={`${BASE}/webhooks`}>
          Send them somewhere
        </a>
      </div>
      <LoadedCard label="Now" loaded={report}>
        {({ items }) => <Now items={items} />}
      </LoadedCard>
      {report.value && report.value.over.length > 0 && <Over over={report.value.over} />}
      {report.value && <Rules rules={report.value.rules} firing={report.value.items.map(({ name }) => name)} />}
    </main>
  );
}

function Severity({ severity }: { readonly severity: string }): JSX.Element {
  return <span class={`badge ${severity === 'critical' ? 'failed' : 'warned'}`}>{severity}</span>;
}

function Now({ items }: Pick<AlertReport, 'items'>): JSX.Element {
  if (items.length === 0) return <Empty title="All is well" />;
  return (
    <ul class="stack" aria-live="polite">
      {items.map(({ name, subject, severity, summary, since }) => (
        <li key={`${name}/${subject}`}>
          <div class="row">
            <Severity severity={severity} />
            <strong>{name}</strong>
            <span class="muted small end">
              for <Age at={since} />
            </span>
          </div>
          <p>{summary}</p>
        </li>
      ))}
    </ul>
  );
}

function Over({ over }: Pick<AlertReport, 'over'>): JSX.Element {
  return (
    <section class="card pad" aria-label="Over">
      <h2>Over</h2>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard */}
      <div class="scroll" tabIndex={0}>
        <table class="plain">
          <thead>
            <tr>
              {['Alert', 'Severity', 'Began', 'Ended', 'What'].map((name) => (
                <th key={name}>{name}</th>
              ))}
            </tr>
          </thead>
          <tbody>
            {over.map(({ name, subject, severity, since, endedAt, summary }) => (
              <tr key={`${name}/${subject}/${since}`}>
                <td>{name}</td>
                <td>
                  <Severity severity={severity} />
                </td>
                <td class="number">{dateTime(since)}</td>
                <td class="number">{dateTime(endedAt)}</td>
                <td>{summary}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

function Rules(props: Pick<AlertReport, 'rules'> & { readonly firing: readonly string[] }): JSX.Element {
  return (
    <section class="card pad" aria-label="When each is told">
      <h2>When each is told</h2>
      <table class="plain">
        <thead>
          <tr>
            <th>Alert</th>
            <th>Told when</th>
            <th>Now</th>
          </tr>
        </thead>
        <tbody>
          {props.rules.map(({ name, when }) => (
            <tr key={name}>
              <td class="mono">{name}</td>
              <td>{when}</td>
              <td>
                <span class={`badge ${props.firing.includes(name) ? 'failed' : 'running'}`}>
                  {props.firing.includes(name) ? 'told' : 'quiet'}
                </span>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
