import { type JSX, render } from 'preact';
import { useEffect, useMemo, useState } from 'preact/hooks';
import { ArcError, type Client, client, type LinkGrantView, type Sandbox, type SandboxView } from '../sdk/index.ts';
import { sleep } from './lib/clock.ts';
import { words } from './lib/format.ts';
import { Confirm } from './parts/dialog.tsx';
import { Icon } from './parts/icons.tsx';
import { LazyTerminals } from './parts/lazy-terminals.tsx';
import { Logs } from './parts/logs.tsx';
import { Empty, StateBadge, TimeLeft } from './parts/small.tsx';
import { attempt, errorText, Toasts } from './parts/toast.tsx';
import './styles/base.css';
import './styles/controls.css';
import './styles/tables.css';
import './styles/panels.css';
import './styles/tools.css';
import './styles/person.css';

/**
 * The page of a link: one sandbox for a person without a key. The secret stands behind the `#`, is sent as a header only,
 * and is kept in this page and nowhere else, so it works in the frame of a course as well.
 */

const RETRY_MS = 2_000;

interface Known {
  readonly grant: LinkGrantView;
  readonly view: SandboxView;
}

/** The sandbox as it is now, by its events. */
function useLinked(arc: Client): { readonly known?: Known; readonly sandbox?: Sandbox; readonly error?: unknown } {
  const [held, setHeld] = useState<{ known?: Known; sandbox?: Sandbox; error?: unknown }>({});
  useEffect(() => {
    const over = new AbortController();
    const run = async () => {
      const grant = await arc.link();
      const sandbox = arc.sandboxes.handle(grant.sandbox);
      const ask = async () => setHeld({ known: { grant, view: await sandbox.refresh() }, sandbox });
      const failed = (error: unknown) => setHeld((before) => ({ ...before, error }));
      const onConnected = () => void ask().catch(failed);
      for await (const _ of arc.events({ signal: over.signal, onConnected })) await ask().catch(failed);
    };
    const again = async () => {
      while (!over.signal.aborted) {
        await run().catch((error) => setHeld((before) => ({ ...before, error })));
        await sleep(RETRY_MS);
      }
    };
    void again();
    return () => over.abort();
  }, [arc]);
  return held;
}

function Person({ secret }: { readonly secret: string }): JSX.Element {
  const arc = useMemo(() => client({ url: location.origin, key: secret }), [secret]);
  const { known, sandbox, error } = useLinked(arc);
  if (!known || !sandbox || isOver(error)) {
    return (
      <main class="door">
        <section class="card">
          <h1>{error ? (isOver(error) ? 'This is over' : 'It can not be shown') : 'One moment…'}</h1>
          {error !== undefined && <p class="muted">{errorText(error)}</p>}
        </section>
      </main>
    );
  }
  return <Shown known={known} sandbox={sandbox} />;
}

function isOver(error: unknown): boolean {
  return error instanceof ArcError && ['sandbox_gone', 'sandbox_not_found', 'unauthorized'].includes(error.code);
}

function Shown({ known, sandbox }: { readonly known: Known; readonly sandbox: Sandbox }): JSX.Element {
  const { grant, view } = known;
  const app = grant.may.includes('app') && view.url !== undefined;
  const tabs = (['terminal', 'logs'] as const).filter((name) => grant.may.includes(name));
  return (
    <div class="person">
      <Head known={known} sandbox={sandbox} />
      <main class={`split ${app && tabs.length > 0 ? '' : 'alone'}`}>
        {app && <AppFrame view={view} />}
        {tabs.length > 0 && <Beside tabs={tabs} sandbox={sandbox} view={view} />}
        {!app && tabs.length === 0 && <Empty title={view.template}>It is {view.state}.</Empty>}
      </main>
    </div>
  );
}

function Head({ known, sandbox }: { readonly known: Known; readonly sandbox: Sandbox }): JSX.Element {
  const { grant, view } = known;
  const [asking, setAsking] = useState(false);
  return (
    <header>
      <h1>{view.template}</h1>
      <StateBadge state={view.state} />
      {view.expiresAt && (
        <span class="muted">
          <TimeLeft sandbox={view} /> left
        </span>
      )}
      {view.state !== 'running' && <span class="muted small">{view.detail ?? words(view.reason)}</span>}
      <span class="row end">
        {grant.may.includes('extend') && view.expiresAt && (
          <button
            type="button"
            onClick={() => void attempt(() => sandbox.extend(grant.extendBy), 'There is more time')}
          >
            <Icon name="clock" /> Extend
          </button>
        )}
        {grant.may.includes('reset') && (
          <button type="button" onClick={() => setAsking(true)}>
            <Icon name="again" /> Reset
          </button>
        )}
      </span>
      {asking && (
        <Confirm
          title="Start afresh?"
          text="Everything begins again as it was at first, at the same address. What you changed is gone."
          action="Reset"
          onClose={() => setAsking(false)}
          onConfirm={() => void attempt(() => sandbox.reset({ wait: '0' }), 'It starts again')}
        />
      )}
    </header>
  );
}

/** The app is on a site of its own: it can run its scripts and keep its cookies, and can't reach this page or leave the frame. */
function AppFrame({ view }: { readonly view: SandboxView }): JSX.Element {
  const [turn, setTurn] = useState(0);
  const up = view.state === 'running' || view.state === 'warned';
  return (
    <section class="app" aria-label="The app">
      <div class="bar">
        <a class="mono cut" href={view.url ?? ''} target="_blank" rel="noopener noreferrer">
          {view.url}
        </a>
        <button type="button" class="quiet end" onClick={() => setTurn(turn + 1)}>
          <Icon name="again" /> Reload
        </button>
      </div>
      {up ? (
        <iframe
          key={`${view.incarnation}-${turn}`}
          title="The app in the sandbox"
          src={view.url ?? ''}
          sandbox="allow-scripts allow-same-origin allow-forms allow-modals allow-popups allow-downloads"
          referrerpolicy="no-referrer"
        />
      ) : (
        <Empty title={`It is ${view.state}`}>
          {view.queuePosition !== undefined && <p>Position {view.queuePosition} in the queue.</p>}
        </Empty>
      )}
    </section>
  );
}

function Beside(props: {
  readonly tabs: readonly ('terminal' | 'logs')[];
  readonly sandbox: Sandbox;
  readonly view: SandboxView;
}): JSX.Element {
  const [tab, setTab] = useState(props.tabs[0]);
  const up = props.view.state === 'running' || props.view.state === 'warned';
  return (
    <section class="beside" aria-label="Beside the app">
      <div class="tabs" role="tablist" aria-label="Terminal and logs">
        {props.tabs.map((name) => (
          <button type="button" role="tab" key={name} aria-selected={name === tab} onClick={() => setTab(name)}>
            {name === 'terminal' ? 'Terminal' : 'Logs'}
          </button>
        ))}
      </div>
      {tab === 'terminal' && up && <LazyTerminals key={props.view.incarnation} sandbox={props.sandbox} />}
      {tab === 'terminal' && !up && <Empty title={`It is ${props.view.state}`} />}
      {tab === 'logs' && <Logs sandbox={props.sandbox} />}
    </section>
  );
}

function Root(): JSX.Element {
  const [secret, setSecret] = useState(location.hash.slice(1));
  useEffect(() => {
    const listener = () => setSecret(location.hash.slice(1));
    addEventListener('hashchange', listener);
    return () => removeEventListener('hashchange', listener);
  }, []);
  return (
    <>
      {secret === '' ? (
        <main class="door">
          <section class="card">
            <h1>This link is not whole</h1>
            <p class="muted">Something behind the # is missing. Copy all of it, or ask for a new one.</p>
          </section>
        </main>
      ) : (
        <Person key={secret} secret={secret} />
      )}
      <Toasts />
    </>
  );
}

const root = document.getElementById('app');
if (root) render(<Root />, root);
