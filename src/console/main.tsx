import { type JSX, render } from 'preact';
import { useEffect } from 'preact/hooks';
import { rows, watchFleet } from './lib/fleet.ts';
import { BASE, place } from './lib/router.ts';
import { resumeSession, session, signOut } from './lib/session.ts';
import { ThemeButton } from './lib/theme.tsx';
import { AlertsPage } from './pages/alerts.tsx';
import { AuditPage } from './pages/audit.tsx';
import { Create } from './pages/create.tsx';
import { LevelsPage } from './pages/levels.tsx';
import { Nodes } from './pages/nodes.tsx';
import { OwnersPage } from './pages/owners.tsx';
import { Queue } from './pages/queue.tsx';
import { SandboxPage } from './pages/sandbox.tsx';
import { Sandboxes } from './pages/sandboxes.tsx';
import { SecretsPage } from './pages/secrets.tsx';
import { SignIn } from './pages/sign-in.tsx';
import { Templates } from './pages/templates.tsx';
import { WebhooksPage } from './pages/webhooks.tsx';
import { Icon, type IconName } from './parts/icons.tsx';
import { Empty } from './parts/small.tsx';
import { Toasts } from './parts/toast.tsx';
import mark from './styles/arc.svg';
import './styles/base.css';
import './styles/controls.css';
import './styles/tables.css';
import './styles/panels.css';
import './styles/tools.css';

/** The pages of the console. A page is added by a row here and its file. */

interface Page {
  readonly path: RegExp;
  /** In the navigation, where it stands there; `admin`: only for who may see what it shows. */
  readonly nav?: {
    readonly to: string;
    readonly name: string;
    readonly icon: IconName;
    readonly count?: () => number;
    readonly admin?: true;
  };
  readonly view: (match: RegExpExecArray) => JSX.Element;
}

const PAGES: readonly Page[] = [
  {
    path: /^\/(sandboxes)?$/,
    nav: { to: '/', name: 'Sandboxes', icon: 'boxes', count: () => rows.value.length },
    view: () => <Sandboxes />,
  },
  { path: /^\/sandboxes\/([a-z0-9-]+)$/, view: ([, id = '']) => <SandboxPage key={id} id={id} /> },
  { path: /^\/new$/, view: () => <Create /> },
  { path: /^\/templates$/, nav: { to: '/templates', name: 'Templates', icon: 'template' }, view: () => <Templates /> },
  { path: /^\/nodes$/, nav: { to: '/nodes', name: 'Nodes', icon: 'node' }, view: () => <Nodes /> },
  {
    path: /^\/queue$/,
    nav: {
      to: '/queue',
      name: 'Queue',
      icon: 'queue',
      count: () => rows.value.filter(({ sandbox }) => sandbox.state === 'queued').length,
    },
    view: () => <Queue />,
  },
  {
    path: /^\/owners$/,
    nav: { to: '/owners', name: 'Owners', icon: 'people', admin: true },
    view: () => <OwnersPage />,
  },
  { path: /^\/secrets$/, nav: { to: '/secrets', name: 'Secrets', icon: 'lock' }, view: () => <SecretsPage /> },
  {
    path: /^\/webhooks$/,
    nav: { to: '/webhooks', name: 'Webhooks', icon: 'send', admin: true },
    view: () => <WebhooksPage />,
  },
  {
    path: /^\/alerts$/,
    nav: { to: '/alerts', name: 'Alerts', icon: 'bell', admin: true },
    view: () => <AlertsPage />,
  },
  {
    path: /^\/audit$/,
    nav: { to: '/audit', name: 'Audit', icon: 'audit', admin: true },
    view: () => <AuditPage />,
  },
  { path: /^\/levels$/, nav: { to: '/levels', name: 'Levels', icon: 'shield' }, view: () => <LevelsPage /> },
];

function App(): JSX.Element {
  const held = session.value;
  if (held.state === 'unknown') return <main class="door muted">…</main>;
  if (held.state === 'out') return <SignIn why={held.why} />;
  return <Inside key={held.view.csrf} />;
}

function Inside(): JSX.Element {
  const held = session.value;
  useEffect(() => (held.state === 'in' ? watchFleet(held.arc) : undefined), []);
  const { path } = place.value;
  const found = PAGES.map((page) => ({ page, match: page.path.exec(path) })).find(({ match }) => match !== null);
  const isAdmin = held.state === 'in' && held.view.scopes.includes('admin');
  const name = found?.page.nav?.name ?? path.split('/').at(-1) ?? '';
  useEffect(() => {
    document.title = `${name} · Arc`;
  }, [name]);
  // On a phone there are more pages than fit: the one that is shown can be seen there.
  useEffect(() => document.querySelector('nav [aria-current]')?.scrollIntoView({ block: 'nearest' }), [path]);
  return (
    <div class="frame">
      <div class="side">
        <a class="brand" href={`${BASE}/`}>
          <img src={mark} alt="" /> Arc
        </a>
        <nav aria-label="Pages">
          {PAGES.flatMap(({ nav, path: pattern }) =>
            nav === undefined || (nav.admin && !isAdmin)
              ? []
              : [
                  <a
                    key={nav.to}
                    href={BASE + nav.to}
                    {...(pattern.test(path) ? { 'aria-current': 'page' as const } : {})}
                  >
                    <Icon name={nav.icon} /> {nav.name}
                    {nav.count && nav.count() > 0 && <span class="count">{nav.count().toLocaleString('en')}</span>}
                  </a>,
                ],
          )}
          <a href="/guide/">
            <Icon name="book" /> Guides
          </a>
        </nav>
        <div class="who">
          <span class="muted cut">{held.state === 'in' ? held.view.owner : ''}</span>
          <div class="row buttons">
            <ThemeButton />
            <button type="button" class="quiet end" onClick={() => void signOut()}>
              Sign out
            </button>
          </div>
        </div>
      </div>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard */}
      <div class="main" tabIndex={0}>
        {found?.match ? (
          found.page.view(found.match)
        ) : (
          <main class="page">
            <Empty title="There is no such page">
              <a href={`${BASE}/`}>All sandboxes</a>
            </Empty>
          </main>
        )}
      </div>
    </div>
  );
}

function Root(): JSX.Element {
  return (
    <>
      <App />
      <Toasts />
    </>
  );
}

void resumeSession();
const root = document.getElementById('app');
if (root) render(<Root />, root);
