import type { JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import type { TemplateView } from '../../sdk/index.ts';
import { onEvent, rows } from '../lib/fleet.ts';
import { percent, plural } from '../lib/format.ts';
import { BASE } from '../lib/router.ts';
import { arc } from '../lib/session.ts';
import { Empty } from '../parts/small.tsx';
import { attempt } from '../parts/toast.tsx';

/** What sandboxes are made from. */
export function Templates(): JSX.Element {
  const [templates, setTemplates] = useState<readonly TemplateView[]>();
  useEffect(() => {
    const load = () => void attempt(async () => setTemplates(await arc().templates.list()));
    load();
    return onEvent((event) => {
      if (event.type === 'template') load();
    });
  }, []);
  const used = new Map<string, number>();
  for (const { sandbox } of rows.value) used.set(sandbox.template, (used.get(sandbox.template) ?? 0) + 1);
  return (
    <main class="page" id="main">
      <div class="head">
        <h1>Templates</h1>
        <span class="muted">{templates && plural(templates.length, 'template')}</span>
      </div>
      {templates?.length === 0 && (
        <Empty title="No templates">
          <p>
            Add one from any image: <code>arc template add NAME --image IMAGE --port PORT</code>
          </p>
        </Empty>
      )}
      <div class="grid">
        {templates?.map((view) => (
          <Template key={view.name} view={view} used={used.get(view.name) ?? 0} />
        ))}
      </div>
    </main>
  );
}

function Template({ view, used }: { readonly view: TemplateView; readonly used: number }): JSX.Element {
  const { effective, template } = view;
  return (
    <section class="card pad" style={{ display: 'flex', flexDirection: 'column' }}>
      <div class="row">
        <h2>{view.name}</h2>
        {view.builtin && <span class="badge plain">builtin</span>}
        <span class="end small">
          <a href={`${BASE}/?template=${view.name}`}>{plural(used, 'sandbox', 'sandboxes')}</a>
        </span>
      </div>
      {template.description && <p class="muted small">{template.description}</p>}
      <dl class="facts small" style={{ margin: '14px 0 16px' }}>
        <dt>Root</dt>
        <dd>{rootOf(view)}</dd>
        <dt>Command</dt>
        <dd class="mono cut" title={effective.command.join(' ')}>
          {effective.command.join(' ') || 'none'}
        </dd>
        <dt>Ports</dt>
        <dd>{effective.ports.join(', ') || 'none'}</dd>
        <dt>Limits</dt>
        <dd>
          {effective.memory}, {plural(effective.cpus, 'cpu')}, {effective.disk} disk
        </dd>
        <dt>Level</dt>
        <dd>
          {effective.isolation}, network{' '}
          {typeof effective.network === 'string' ? effective.network : effective.network.allow.join(', ')}
        </dd>
        {view.pool && (
          <>
            <dt>Pool</dt>
            <dd>
              {view.pool.ready} of {view.pool.target} warm
              {view.pool.starting > 0 && `, ${view.pool.starting} starting`}
              {view.pool.hits + view.pool.misses > 0 &&
                `, ${percent(view.pool.hits, view.pool.hits + view.pool.misses).toFixed(0)} % of creates hit`}
              {view.pool.problem && <span class="note warn">{view.pool.problem}</span>}
            </dd>
          </>
        )}
        {effective.ttl && (
          <>
            <dt>Lives</dt>
            <dd>{effective.ttl}</dd>
          </>
        )}
      </dl>
      <a class="button" style={{ marginTop: 'auto', alignSelf: 'start' }} href={`${BASE}/new?template=${view.name}`}>
        Create from it
      </a>
    </section>
  );
}

function rootOf({ template }: TemplateView): string {
  const { root } = template;
  if ('builtin' in root) return 'made by Arc';
  if ('image' in root && root.image !== undefined) return root.image;
  return 'path' in root ? root.path : 'layers held here';
}
