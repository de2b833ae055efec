import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import type { Sandbox, SandboxView } from '../../sdk/index.ts';
import { nowMs } from '../lib/clock.ts';
import { clockTime, dateTime, words } from '../lib/format.ts';
import { LEVEL_TEXTS } from '../lib/levels.ts';
import { Icon } from '../parts/icons.tsx';
import { Labels, StateBadge, TimeLeft } from '../parts/small.tsx';
import { attempt } from '../parts/toast.tsx';
import { Outbound } from './outbound.tsx';
import { Usage } from './usage.tsx';

/** How it is, why, until when, where it is reached, and what it uses. */
export function Overview({ sandbox, view }: { readonly sandbox: Sandbox; readonly view: SandboxView }): JSX.Element {
  const up = view.state === 'running' || view.state === 'warned';
  return (
    <div class="stack">
      {view.state === 'failed' && <p class="note bad">It failed: {view.detail ?? words(view.reason)}</p>}
      {view.queuePosition !== undefined && (
        <p class="note">It waits for its turn: position {view.queuePosition} in the queue.</p>
      )}
      <div class="grid">
        <Limits sandbox={sandbox} view={view} />
        <Reach view={view} />
        <Outbound sandbox={sandbox} view={view} />
        <Isolation view={view} />
      </div>
      {up && <Usage sandbox={sandbox} cpus={view.cpus} incarnation={view.incarnation} />}
      <div class="grid halves">
        <History view={view} />
        <Facts view={view} />
      </div>
    </div>
  );
}

const EXTENSIONS = [
  { name: '30 min', ms: 1_800_000 },
  { name: '2 h', ms: 7_200_000 },
] as const;

/** The server counts from now; people think of adding to what there is. */
async function add(sandbox: Sandbox, view: SandboxView, ms: number): Promise<void> {
  const left = Math.max(0, Date.parse(view.expiresAt ?? '') - nowMs());
  await sandbox.extend(`${Math.ceil((left + ms) / 1000)}s`);
}

function Limits({ sandbox, view }: { readonly sandbox: Sandbox; readonly view: SandboxView }): JSX.Element {
  return (
    <section class="card pad stack">
      <h2>Time left</h2>
      {view.expiresAt === undefined || view.state === 'failed' ? (
        <p class="muted">Nothing will stop it by itself.</p>
      ) : (
        <>
          <p>
            <span class="big">
              <TimeLeft sandbox={view} />
            </span>
            <br />
            <span class="muted small">
              until {dateTime(view.expiresAt)}, when its{' '}
              {view.expiresReason === 'ttl' ? 'time to live' : words(view.expiresReason ?? 'time')} is over
            </span>
          </p>
          <div class="row">
            {EXTENSIONS.map(({ name, ms }) => (
              <button
                type="button"
                key={name}
                onClick={() => void attempt(() => add(sandbox, view, ms), `${name} more`)}
              >
                <Icon name="clock" /> Add {name}
              </button>
            ))}
          </div>
        </>
      )}
    </section>
  );
}

function Reach({ view }: { readonly view: SandboxView }): JSX.Element {
  const urls = Object.entries(view.urls);
  const [copied, setCopied] = useState('');
  const copy = (url: string) =>
    void attempt(async () => {
      await navigator.clipboard.writeText(url);
      setCopied(url);
    });
  return (
    <section class="card pad">
      <h2>Where it is reached</h2>
      {urls.length === 0 && <p class="muted">It has no ports.</p>}
      <ul class="stack" style={{ gap: '8px' }}>
        {urls.map(([port, url]) => (
          <li key={port} class="row" style={{ flexWrap: 'nowrap' }}>
            <span class="badge plain">{port}</span>
            <a class="cut mono" href={url} target="_blank" rel="noopener noreferrer" title={url}>
              {url}
            </a>
            <button
              type="button"
              class="quiet end"
              onClick={() => copy(url)}
              aria-label={`Copy the address of port ${port}`}
            >
              {copied === url ? 'Copied' : 'Copy'}
            </button>
          </li>
        ))}
      </ul>
    </section>
  );
}

function Isolation({ view }: { readonly view: SandboxView }): JSX.Element {
  const text = LEVEL_TEXTS[view.isolation];
  return (
    <section class="card pad">
      <h2>
        Isolation: {text.title} {view.runtime && <span class="muted small">by {view.runtime}</span>}
      </h2>
      <dl class="stack small" style={{ gap: '8px' }}>
        <div>
          <dt class="muted">Between it and this machine</dt>
          <dd>{text.between}</dd>
        </div>
        <div>
          <dt class="muted">What is left</dt>
          <dd>{text.leaves}</dd>
        </div>
        {view.note && <dd class="note">{view.note}</dd>}
      </dl>
    </section>
  );
}

function History({ view }: { readonly view: SandboxView }): JSX.Element {
  return (
    <section class="card pad">
      <h2>History</h2>
      <ol class="steps">
        {[...view.history].reverse().map((entry, index) => (
          <li key={index}>
            <time dateTime={entry.at} title={dateTime(entry.at)}>
              {clockTime(entry.at)}
            </time>
            <StateBadge state={entry.state} />
            <p>
              {words(entry.reason)}
              {entry.detail && <span class="muted">: {entry.detail}</span>}
            </p>
          </li>
        ))}
      </ol>
    </section>
  );
}

function Facts({ view }: { readonly view: SandboxView }): JSX.Element {
  const { exit } = view;
  return (
    <section class="card pad">
      <h2>About it</h2>
      <dl class="facts">
        <dt>Template</dt>
        <dd>{view.template}</dd>
        <dt>Owner</dt>
        <dd>{view.owner}</dd>
        <dt>Labels</dt>
        <dd>{Object.keys(view.labels).length === 0 ? 'none' : <Labels labels={view.labels} />}</dd>
        <dt>Node</dt>
        <dd>{view.node || 'none yet'}</dd>
        <dt>Limits</dt>
        <dd>
          {view.memory} memory, {view.cpus} cpus, {view.disk} disk
        </dd>
        <dt>Created</dt>
        <dd>{dateTime(view.createdAt)}</dd>
        <dt>Life</dt>
        <dd>{view.incarnation}</dd>
        {exit && (
          <>
            <dt>Last exit</dt>
            <dd>
              {exit.signal ?? `code ${exit.code}`}
              {exit.oom && ', out of memory'} at {clockTime(exit.at)}
            </dd>
          </>
        )}
      </dl>
    </section>
  );
}
