import type { ComponentChildren, JSX } from 'preact';
import type { SandboxView } from '../../sdk/index.ts';
import { now } from '../lib/clock.ts';
import { countdown, dateTime, span } from '../lib/format.ts';

export function StateBadge({ state }: { readonly state: string }): JSX.Element {
  return <span class={`badge ${state}`}>{state}</span>;
}

export function Age({ at }: { readonly at: string }): JSX.Element {
  return (
    <time dateTime={at} title={dateTime(at)}>
      {span(now() - Date.parse(at))}
    </time>
  );
}

/** Below this it is told loudly, ms. */
const SOON_MS = 300_000;

/** What is left until it stops; nothing where nothing will stop it. */
export function TimeLeft({ sandbox }: { readonly sandbox: SandboxView }): JSX.Element | null {
  if (sandbox.expiresAt === undefined || sandbox.state === 'failed') return null;
  const left = Date.parse(sandbox.expiresAt) - now();
  return (
    <time
      class={`countdown ${left < SOON_MS ? 'soon' : ''}`}
      dateTime={sandbox.expiresAt}
      title={dateTime(sandbox.expiresAt)}
    >
      {countdown(left)}
    </time>
  );
}

export function Labels({ labels }: { readonly labels: Readonly<Record<string, string>> }): JSX.Element {
  return (
    <>
      {Object.entries(labels).map(([key, value]) => (
        <span class="chip" key={key} title={`${key}=${value}`}>
          {key}={value}
        </span>
      ))}
    </>
  );
}

export function Empty(props: { readonly title: string; readonly children?: ComponentChildren }): JSX.Element {
  return (
    <div class="empty">
      <h2>{props.title}</h2>
      {props.children}
    </div>
  );
}
