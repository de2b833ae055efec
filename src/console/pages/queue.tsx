import type { JSX } from 'preact';
import { rows } from '../lib/fleet.ts';
import { plural } from '../lib/format.ts';
import { BASE } from '../lib/router.ts';
import { Age, Empty, StateBadge } from '../parts/small.tsx';

/** Who waits, in the order in which they will be started, and what is being started now. */
export function Queue(): JSX.Element {
  const pending = rows.value
    .map(({ sandbox }) => sandbox)
    .filter(({ state }) => state === 'queued' || state === 'starting');
  const waiting = pending.filter(({ state }) => state === 'queued').length;
  const inOrder = pending.sort(
    (a, b) => (a.queuePosition ?? 0) - (b.queuePosition ?? 0) || a.createdAt.localeCompare(b.createdAt),
  );
  return (
    <main class="page" id="main">
      <div class="head">
        <h1>Queue</h1>
        <span class="muted">
          {waiting} waiting, {pending.length - waiting} being started
        </span>
      </div>
      {pending.length === 0 ? (
        <section class="card">
          <Empty title="Nobody waits">
            <p>
              When more sandboxes are asked for than are started at once, those that wait are listed here in their
              order.
            </p>
          </Empty>
        </section>
      ) : (
        <section class="card pad" aria-label={plural(pending.length, 'sandbox', 'sandboxes')}>
          <table class="plain">
            <thead>
              <tr>
                <th>Position</th>
                <th>State</th>
                <th>Id</th>
                <th>Template</th>
                <th>Owner</th>
                <th>Waits for</th>
              </tr>
            </thead>
            <tbody>
              {inOrder.slice(0, 500).map((sandbox) => (
                <tr key={sandbox.id}>
                  <td class="number">{sandbox.queuePosition ?? ''}</td>
                  <td>
                    <StateBadge state={sandbox.state} />
                  </td>
                  <td class="mono">
                    <a href={`${BASE}/sandboxes/${sandbox.id}`}>{sandbox.id}</a>
                  </td>
                  <td>{sandbox.template}</td>
                  <td>{sandbox.owner}</td>
                  <td class="number">
                    <Age at={sandbox.createdAt} />
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </section>
      )}
    </main>
  );
}
