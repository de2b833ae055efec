import type { JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { AuditEntry } from '../../sdk/index.ts';
import { arc, noteError } from '../lib/session.ts';
import { Empty, Labels } from '../parts/small.tsx';

/** Entries shown at first, and with each press of the button. */
const STEP = 200;

/** Who changed what, the newest first. */
export function AuditPage(): JSX.Element {
  const [action, setAction] = useState('');
  const [owner, setOwner] = useState('');
  const [label, setLabel] = useState('');
  return (
    <main class="page" id="main">
      <div class="head">
        <h1>Audit</h1>
        <span class="muted">every change: who asked for it, from where, and what came of it</span>
      </div>
      <div class="filters">
        <label>
          <span class="muted">Action </span>
          <select value={action} onChange={(event) => setAction(event.currentTarget.value)}>
            <option value="">all</option>
            {[
              'sandbox',
              'exec',
              'terminal',
              'file',
              'template',
              'key',
              'link',
              'token',
              'quota',
              'hook',
              'session',
            ].map((one) => (
              <option key={one}>{one}</option>
            ))}
          </select>
        </label>
        <label>
          <span class="muted">Owner </span>
          <input
            value={owner}
            pattern="[A-Za-z0-9][A-Za-z0-9._@\-]{0,63}"
            onChange={(event) => event.currentTarget.validity.valid && setOwner(event.currentTarget.value.trim())}
          />
        </label>
        <label>
          <span class="muted">Label </span>
          <input
            value={label}
            placeholder="user_id=42"
            spellcheck={false}
            onChange={(event) => setLabel(event.currentTarget.value.trim())}
          />
        </label>
      </div>
      <Entries key={`${action}/${owner}/${label}`} action={action} owner={owner} label={label} />
    </main>
  );
}

function Entries(props: { readonly action: string; readonly owner: string; readonly label: string }): JSX.Element {
  const { action, owner, label } = props;
  const [entries, setEntries] = useState<readonly AuditEntry[]>([]);
  const [state, setState] = useState<'reading' | 'more' | 'all' | Error>('reading');
  const source = useRef<AsyncIterator<AuditEntry> | undefined>(undefined);
  const read = async (): Promise<void> => {
    setState('reading');
    source.current ??= arc()
      .audit({
        ...(action === '' ? {} : { action }),
        ...(owner === '' ? {} : { owner }),
        ...(label === '' ? {} : { labels: label.split(/\s+/) }),
      })
      [Symbol.asyncIterator]();
    const found: AuditEntry[] = [];
    try {
      while (found.length < STEP) {
        const next = await source.current.next();
        if (next.done) break;
        found.push(next.value);
      }
      setEntries((before) => [...before, ...found]);
      setState(found.length < STEP ? 'all' : 'more');
    } catch (error) {
      noteError(error);
      setState(error instanceof Error ? error : new Error(String(error)));
    }
  };
  useEffect(() => void read(), []);
  if (state instanceof Error) {
    return (
      <section class="card">
        <Empty title="This can not be shown">
          <p>{state.message}</p>
        </Empty>
      </section>
    );
  }
  if (entries.length === 0) {
    return (
      <section class="card">
        {state === 'reading' ? <p class="muted pad">Reading…</p> : <Empty title="Nothing" />}
      </section>
    );
  }
  return (
    <section class="card pad" aria-label="Changes">
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard */}
      <div class="scroll" tabIndex={0}>
        <table class="plain">
          <thead>
            <tr>
              {['Time', 'Owner', 'Key', 'From', 'Action', 'Subject', 'Outcome', 'Detail'].map((name) => (
                <th key={name}>{name}</th>
              ))}
            </tr>
          </thead>
          <tbody>
            {entries.map((entry) => (
              <tr key={entry.id}>
                <td class="number nowrap">{entry.time.replace('T', ' ').slice(0, 19)}</td>
                <td>{entry.owner}</td>
                <td class="mono nowrap">{entry.key}</td>
                <td class="mono nowrap">{entry.from}</td>
                <td class="nowrap">{entry.action}</td>
                <td class="mono nowrap">{entry.subject}</td>
                <td>{entry.outcome === 'done' ? 'done' : `refused: ${entry.outcome}`}</td>
                <td>
                  {entry.detail} {entry.labels && <Labels labels={entry.labels} />}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {state === 'more' && (
        <p>
          <button type="button" onClick={() => void read()}>
            Show earlier ones
          </button>
        </p>
      )}
      {state === 'reading' && <p class="muted">Reading…</p>}
    </section>
  );
}
