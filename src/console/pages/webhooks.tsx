import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import type { HookTryView, HookView } from '../../sdk/index.ts';
import { now } from '../lib/clock.ts';
import { plural, span, words } from '../lib/format.ts';
import { useLoaded } from '../lib/loaded.ts';
import { arc } from '../lib/session.ts';
import { AskFirst } from '../parts/ask.tsx';
import { LoadedCard } from '../parts/loading.tsx';
import { Age, Empty } from '../parts/small.tsx';
import { attempt, say, sayError } from '../parts/toast.tsx';
import { AddWebhook } from './webhook-add.tsx';

/** Deliveries are no events: they are asked for while somebody looks. */
const LOOK_MS = 5_000;
const BADGES = { ok: 'running', failing: 'warned', ended: 'failed' } as const;

/** Where changes and alerts are sent to, and what comes of it. */
export function WebhooksPage(): JSX.Element {
  const hooks = useLoaded(() => arc().hooks.list(), LOOK_MS);
  const [adding, setAdding] = useState(false);
  return (
    <main class="page" id="main">
      <div class="head">
        <h1>Webhooks</h1>
        <span class="muted">{hooks.value && plural(hooks.value.length, 'webhook')}</span>
        <button type="button" class="primary end" onClick={() => setAdding(true)}>
          Add a webhook
        </button>
      </div>
      {hooks.value === undefined || hooks.value.length === 0 ? (
        <LoadedCard label="Webhooks" loaded={hooks}>
          {() => (
            <Empty title="Nothing is sent anywhere">
              <p>
                Changes of sandboxes and alerts can be sent to any address: signed, in order, and until they are taken.
              </p>
            </Empty>
          )}
        </LoadedCard>
      ) : (
        hooks.value.map((hook) => <Webhook key={hook.id} hook={hook} onChange={hooks.again} />)
      )}
      {adding && <AddWebhook onClose={() => setAdding(false)} onAdded={hooks.again} />}
    </main>
  );
}

function Webhook({ hook, onChange }: { readonly hook: HookView; readonly onChange: () => void }): JSX.Element {
  const { id, url, format, events, labels, owner, state, delivered, pending, failed, problem } = hook;
  const lost = hook.givenUp + hook.missed;
  const remove = () => void attempt(() => arc().hooks.remove(id), 'The webhook is removed').then(onChange);
  return (
    <section class="card pad stack" aria-label={`Webhook ${id}`}>
      <div class="row">
        <span class={`badge ${BADGES[state]}`}>{state}</span>
        <h2 class="mono cut" title={url}>
          {url}
        </h2>
        <span class="row end">
          <TestButton id={id} />
          <AskFirst
            label="Remove"
            about={`the webhook ${id}`}
            text="Nothing is sent there any more, also not what waits now."
            onConfirm={remove}
          />
        </span>
      </div>
      <dl class="facts small">
        <dt>Sends</dt>
        <dd>
          {events.join(', ')}
          {format === 'slack' && ', as texts for Slack'}
        </dd>
        {(labels.length > 0 || owner !== undefined) && (
          <>
            <dt>Only of</dt>
            <dd>{[...labels, ...(owner === undefined ? [] : [`owner ${owner}`])].join(', ')}</dd>
          </>
        )}
        <dt>This run</dt>
        <dd class="number">
          {delivered.toLocaleString('en')} taken, {pending.toLocaleString('en')} waiting,{' '}
          {plural(failed, 'failed try', 'failed tries')}, {lost.toLocaleString('en')} lost
        </dd>
      </dl>
      {problem !== undefined && (
        <p class="note warn">
          {problem}
          {hook.retryAt !== undefined && `; tried again in ${span(Date.parse(hook.retryAt) - now())}`}
        </p>
      )}
      <Deliveries id={id} />
    </section>
  );
}

function TestButton({ id }: { readonly id: string }): JSX.Element {
  const [busy, setBusy] = useState(false);
  const test = async () => {
    setBusy(true);
    try {
      const { ok, detail, ms } = await arc().hooks.test(id);
      if (ok) say(`It works: ${detail}, after ${ms} ms`);
      else sayError(new Error(`It does not work: ${detail}`));
    } catch (error) {
      sayError(error);
    } finally {
      setBusy(false);
    }
  };
  return (
    <button type="button" disabled={busy} onClick={() => void test()} aria-label={`Test the webhook ${id}`}>
      {busy ? 'Sending…' : 'Test'}
    </button>
  );
}

/** What came of its last tries; asked for when they are opened. */
function Deliveries({ id }: { readonly id: string }): JSX.Element {
  const [open, setOpen] = useState(false);
  return (
    <details onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>Last deliveries</summary>
      {open && <Tries id={id} />}
    </details>
  );
}

function Tries({ id }: { readonly id: string }): JSX.Element {
  const { value, problem } = useLoaded(() => arc().hooks.deliveries(id), LOOK_MS);
  const [onlyFailed, setOnlyFailed] = useState(false);
  if (problem !== undefined) return <p class="note bad">{problem}</p>;
  if (value === undefined) return <p class="muted">Reading…</p>;
  const shown = onlyFailed ? value.filter(({ outcome }) => outcome !== 'taken') : value;
  return (
    <>
      <label class="check">
        <input type="checkbox" checked={onlyFailed} onChange={(event) => setOnlyFailed(event.currentTarget.checked)} />
        Only those that were not taken
      </label>
      {shown.length === 0 ? <p class="muted">None since the server was started</p> : <TryTable tries={shown} />}
    </>
  );
}

function TryTable({ tries }: { readonly tries: readonly HookTryView[] }): JSX.Element {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
    <div class="scroll" tabIndex={0}>
      <table class="plain">
        <thead>
          <tr>
            {['Ago', 'Event', 'Of', 'Outcome', 'Took', 'Detail'].map((name) => (
              <th key={name}>{name}</th>
            ))}
          </tr>
        </thead>
        <tbody>
          {tries.map(({ time, event, what, subject, outcome, ms, detail }) => (
            <tr key={`${event}/${time}`}>
              <td class="number nowrap">
                <Age at={time} />
              </td>
              <td class="nowrap">{what}</td>
              <td class="mono">{subject}</td>
              <td>
                <span class={`badge ${outcome === 'taken' ? 'running' : 'failed'}`}>{words(outcome)}</span>
              </td>
              <td class="number nowrap">{ms === undefined ? '' : `${ms} ms`}</td>
              <td>{detail}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
