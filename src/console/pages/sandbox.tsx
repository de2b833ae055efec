import type { JSX } from 'preact';
import { useEffect, useMemo, useState } from 'preact/hooks';
import { ArcError, type Sandbox, type SandboxView } from '../../sdk/index.ts';
import { onEvent } from '../lib/fleet.ts';
import { BASE, go, place } from '../lib/router.ts';
import { arc, noteError } from '../lib/session.ts';
import { Confirm } from '../parts/dialog.tsx';
import { Icon } from '../parts/icons.tsx';
import { LazyTerminals } from '../parts/lazy-terminals.tsx';
import { Logs } from '../parts/logs.tsx';
import { Empty, StateBadge } from '../parts/small.tsx';
import { attempt, errorText } from '../parts/toast.tsx';
import { Files } from './files.tsx';
import { Overview } from './overview.tsx';
import { ShareLink } from './share-link.tsx';

/** One sandbox, with everything that can be seen of it and done to it. */

const TABS = ['overview', 'terminal', 'logs', 'files'] as const;
type Tab = (typeof TABS)[number];

const isUp = ({ state }: SandboxView): boolean => state === 'running' || state === 'warned';

/** The document of one sandbox, asked for again at each event about it. */
function useSandbox(sandbox: Sandbox): { readonly view?: SandboxView; readonly error?: unknown } {
  const [held, setHeld] = useState<{ view?: SandboxView; error?: unknown }>({});
  useEffect(() => {
    let over = false;
    let asked = 0;
    const ask = async () => {
      const turn = ++asked;
      try {
        const view = await sandbox.refresh();
        if (!over && turn === asked) setHeld({ view });
      } catch (error) {
        noteError(error);
        if (!over && turn === asked) setHeld((before) => ({ ...before, error }));
      }
    };
    setHeld({});
    void ask();
    const end = onEvent((event) => {
      if (event.subject === sandbox.id) void ask();
    });
    return () => {
      over = true;
      end();
    };
  }, [sandbox]);
  return held;
}

export function SandboxPage({ id }: { readonly id: string }): JSX.Element {
  const sandbox = useMemo(() => arc().sandboxes.handle(id), [id]);
  const { view, error } = useSandbox(sandbox);
  const gone = error instanceof ArcError && (error.code === 'sandbox_gone' || error.code === 'sandbox_not_found');
  if (gone || (error && !view)) {
    return (
      <main class="page" id="main">
        <Empty title={gone ? 'This sandbox is gone' : 'It can not be shown'}>
          <p>{errorText(error)}</p>
          <a class="button" href={`${BASE}/`}>
            All sandboxes
          </a>
        </Empty>
      </main>
    );
  }
  if (!view) return <main class="page muted">Reading…</main>;
  return <Shown sandbox={sandbox} view={view} />;
}

function Shown({ sandbox, view }: { readonly sandbox: Sandbox; readonly view: SandboxView }): JSX.Element {
  const asked = place.value.query.get('tab') as Tab;
  const tab = TABS.includes(asked) ? asked : 'overview';
  return (
    <main class={`page ${tab === 'overview' ? 'wide' : 'full'}`} id="main">
      <div class="head">
        <div>
          <p class="small">
            <a href={`${BASE}/`}>Sandboxes</a> <span class="muted">/ {view.template}</span>
          </p>
          <h1 class="mono">{view.id}</h1>
        </div>
        <StateBadge state={view.state} />
        <Actions sandbox={sandbox} view={view} />
      </div>
      <nav class="tabs" aria-label="Parts of the sandbox">
        {TABS.map((name) => (
          <a
            key={name}
            href={`${BASE}/sandboxes/${view.id}?tab=${name}`}
            {...(name === tab ? { 'aria-current': 'page' as const } : {})}
          >
            {name.charAt(0).toUpperCase() + name.slice(1)}
          </a>
        ))}
      </nav>
      <Part tab={tab} sandbox={sandbox} view={view} />
    </main>
  );
}

function Part({
  tab,
  sandbox,
  view,
}: {
  readonly tab: Tab;
  readonly sandbox: Sandbox;
  readonly view: SandboxView;
}): JSX.Element {
  if (tab === 'overview') return <Overview sandbox={sandbox} view={view} />;
  if (tab === 'logs') return <Logs sandbox={sandbox} />;
  if (!isUp(view)) {
    return (
      <Empty title={`It is ${view.state}`}>
        <p>This can be used while it runs.</p>
      </Empty>
    );
  }
  // Another life has other processes and other files.
  if (tab === 'files') return <Files key={view.incarnation} sandbox={sandbox} />;
  return <LazyTerminals key={view.incarnation} sandbox={sandbox} />;
}

type Asked = 'remove' | 'reset' | 'restart' | 'link';
const QUESTIONS = {
  remove: {
    title: 'Remove this sandbox?',
    text: 'Its processes end, and its files and its address are gone.',
    action: 'Remove',
  },
  reset: {
    title: 'Make it fresh?',
    text: 'It begins again from its template under the same address. Its files are gone.',
    action: 'Reset',
  },
  restart: {
    title: 'Restart it?',
    text: 'Its processes end and its command starts again. Its files stay.',
    action: 'Restart',
  },
} as const;

function Actions({ sandbox, view }: { readonly sandbox: Sandbox; readonly view: SandboxView }): JSX.Element {
  const [asked, setAsked] = useState<Asked>();
  const close = () => setAsked(undefined);
  const act = (verb: 'remove' | 'reset' | 'restart') =>
    attempt(
      async () => {
        if (verb === 'remove') await sandbox.remove();
        else await sandbox[verb]({ wait: '0' });
        if (verb === 'remove') go('/');
      },
      verb === 'remove' ? `${view.id} is removed` : `${view.id} starts again`,
    );
  return (
    <div class="row end">
      <button type="button" onClick={() => setAsked('link')}>
        <Icon name="link" /> Link
      </button>
      <button type="button" onClick={() => setAsked('restart')}>
        Restart
      </button>
      <button type="button" onClick={() => setAsked('reset')}>
        <Icon name="again" /> Reset
      </button>
      <button type="button" class="danger" onClick={() => setAsked('remove')}>
        <Icon name="trash" /> Remove
      </button>
      {asked === 'link' && <ShareLink sandbox={sandbox} onClose={close} />}
      {asked !== undefined && asked !== 'link' && (
        <Confirm {...QUESTIONS[asked]} onClose={close} onConfirm={() => void act(asked)} />
      )}
    </div>
  );
}
