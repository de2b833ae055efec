import type { JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import type { QuotaView } from '../../sdk/index.ts';
import { rows } from '../lib/fleet.ts';
import { parseBytes, percent, plural } from '../lib/format.ts';
import { useLoaded } from '../lib/loaded.ts';
import { BASE } from '../lib/router.ts';
import { arc } from '../lib/session.ts';
import { AskFirst } from '../parts/ask.tsx';
import { Empty } from '../parts/small.tsx';
import { attempt } from '../parts/toast.tsx';
import { QuotaDialog } from './quota-dialog.tsx';

/** Owners shown at first, and with each press of the button; each is asked for by itself. */
const STEP = 50;

/** Who has how much of what may be had: those with sandboxes, and those for whom something was set. */
export function OwnersPage(): JSX.Element {
  const set = useLoaded(() => arc().quotas.list());
  const [search, setSearch] = useState('');
  const [most, setMost] = useState(STEP);
  const [editing, setEditing] = useState<string>();
  const counts = new Map<string, number>((set.value ?? []).map(({ owner }) => [owner, 0]));
  for (const { sandbox } of rows.value) counts.set(sandbox.owner, (counts.get(sandbox.owner) ?? 0) + 1);
  const owners = [...counts]
    .filter(([owner]) => owner.includes(search.trim()))
    .sort(([a, many], [b, more]) => more - many || a.localeCompare(b));
  return (
    <main class="page" id="main">
      <div class="head">
        <h1>Owners</h1>
        <span class="muted">{plural(counts.size, 'owner')}</span>
        <button type="button" class="primary end" onClick={() => setEditing('')}>
          Set a quota
        </button>
      </div>
      {set.problem !== undefined && <p class="note bad">{set.problem}</p>}
      <div class="filters">
        <label>
          <span class="muted">Owner </span>
          <input value={search} onInput={(event) => setSearch(event.currentTarget.value)} spellcheck={false} />
        </label>
      </div>
      <section class="card pad" aria-label="Quotas">
        {owners.length === 0 ? (
          <Empty title={counts.size === 0 ? 'Nobody has anything' : 'Nobody is called so'} />
        ) : (
          // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
          <div class="scroll" tabIndex={0}>
            <table class="plain">
              <thead>
                <tr>
                  {['Owner', 'Running', 'Sandboxes', 'Memory', 'A minute', 'One per template'].map((name) => (
                    <th key={name}>{name}</th>
                  ))}
                  <th>
                    <span class="hidden">Change</span>
                  </th>
                </tr>
              </thead>
              <tbody>
                {owners.slice(0, most).map(([owner, count]) => (
                  <Owner
                    key={owner}
                    owner={owner}
                    count={count}
                    set={set.value}
                    onEdit={() => setEditing(owner)}
                    onSet={set.again}
                  />
                ))}
              </tbody>
            </table>
          </div>
        )}
        {owners.length > most && (
          <p>
            <button type="button" onClick={() => setMost(most + STEP)}>
              Show {Math.min(STEP, owners.length - most)} more
            </button>
          </p>
        )}
      </section>
      {editing !== undefined && (
        <QuotaDialog
          owner={editing}
          own={set.value?.find(({ owner }) => owner === editing)?.own}
          onClose={() => setEditing(undefined)}
          onSet={set.again}
        />
      )}
    </main>
  );
}

function Owner(props: {
  readonly owner: string;
  /** Its sandboxes now: when it changes, what is used is asked for again. */
  readonly count: number;
  readonly set: readonly QuotaView[] | undefined;
  readonly onEdit: () => void;
  readonly onSet: () => void;
}): JSX.Element {
  const { owner, count, set, onEdit, onSet } = props;
  const [quota, setQuota] = useState<QuotaView>();
  useEffect(() => void attempt(async () => setQuota(await arc().quotas.get(owner))), [owner, count, set]);
  const remove = () =>
    void attempt(() => arc().quotas.remove(owner), `${owner} is back to the settings of the server`).then(onSet);
  return (
    <tr>
      <td>
        <a href={`${BASE}/?owner=${encodeURIComponent(owner)}`}>{owner}</a>
        {quota?.own && ' '}
        {quota?.own && <span class="chip">own quota</span>}
      </td>
      <Share used={quota?.used.running} most={quota?.limits.running} />
      <Share used={quota?.used.total} most={quota?.limits.total} />
      <Share used={quota?.used.memory} most={quota?.limits.memory} />
      <td class="number">{quota && (quota.limits.createdPerMinute ?? 'no limit')}</td>
      <td>{quota && (quota.limits.onePerTemplate ? 'yes' : 'no')}</td>
      <td class="nowrap">
        <button type="button" class="quiet" aria-label={`Change the quota of ${owner}`} onClick={onEdit}>
          Change
        </button>
        {quota?.own && (
          <AskFirst
            label="Remove"
            about={`the quota of ${owner}`}
            text="What the settings of the server say holds again. Nothing is stopped by it."
            onConfirm={remove}
          />
        )}
      </td>
    </tr>
  );
}

function Share(props: { readonly used?: number | string | undefined; readonly most?: number | string | undefined }) {
  const { used, most } = props;
  if (used === undefined) return <td class="muted">…</td>;
  const amount = (value: number | string) => (typeof value === 'number' ? value : parseBytes(value));
  const full = most !== undefined && percent(amount(used), amount(most)) >= 90;
  return (
    <td class="number nowrap">
      {used}
      <span class="muted"> of {most ?? 'no limit'}</span>
      {full && <span class="badge warned">nearly all</span>}
    </td>
  );
}
