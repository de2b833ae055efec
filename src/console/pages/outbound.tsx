import type { JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import type { NetworkView, Sandbox, SandboxView } from '../../sdk/index.ts';
import { every } from '../lib/clock.ts';
import { clockTime } from '../lib/format.ts';
import { noteError } from '../lib/session.ts';
import { attempt } from '../parts/toast.tsx';

/** Where a sandbox may connect to, and what it was refused; asked for while somebody looks. */

const ASK_MS = 10_000;
const SHOWN_MAX = 20;
const NEVER = 'never metadata services, private networks, this host or other sandboxes.';

function useNetwork(sandbox: Sandbox, up: boolean, network: string): NetworkView | undefined {
  const [held, setHeld] = useState<NetworkView>();
  useEffect(() => {
    let over = false;
    const ask = async () => {
      try {
        const view = await sandbox.network();
        if (!over) setHeld(view);
      } catch (error) {
        noteError(error);
      }
    };
    setHeld(undefined);
    if (!up) return;
    void ask();
    const end = every(ASK_MS, () => void ask());
    return () => {
      over = true;
      end();
    };
  }, [sandbox, up, network]);
  return held;
}

export function Outbound({ sandbox, view }: { readonly sandbox: Sandbox; readonly view: SandboxView }): JSX.Element {
  const up = view.state === 'running' || view.state === 'warned';
  const held = useNetwork(sandbox, up, JSON.stringify(view.network));
  return (
    <section class="card pad">
      <h2>Where it may connect to</h2>
      <p class="muted small">{sentence(view)}</p>
      {view.network !== 'none' && up && (
        <div class="row" style={{ marginTop: '8px' }}>
          <button type="button" onClick={() => void attempt(() => sandbox.setNetwork('none'), 'Its network is closed')}>
            Close its network
          </button>
        </div>
      )}
      {held && <p class="small">{held.opened} connections opened.</p>}
      {held && <Refused held={held} />}
    </section>
  );
}

function sentence({ network }: SandboxView): string {
  if (network === 'none') return 'Nothing gets out of its network; it is only reached through the edge.';
  if (network === 'public') return `The public internet, and ${NEVER}`;
  const ports = network.ports === undefined ? '' : ` at ports ${network.ports.join(', ')}`;
  return `${network.allow.join(', ')}${ports}, and ${NEVER}`;
}

function Refused({ held }: { readonly held: NetworkView }): JSX.Element {
  const places = held.refused.map((one) => ({
    what: one.port === undefined ? `${one.address} (${one.protocol})` : `${one.address}:${one.port} (${one.protocol})`,
    often: `${one.packets}×`,
    at: one.since,
  }));
  const names = held.names.map((one) => ({ what: one.name, often: `${one.count}×`, at: one.lastAt }));
  const all = [...names, ...places].slice(0, SHOWN_MAX);
  if (all.length === 0) return <p class="muted small">It was refused nothing lately.</p>;
  return (
    <>
      <h3 style={{ marginTop: '12px' }}>Refused lately</h3>
      <ul class="stack small" style={{ gap: '4px' }}>
        {all.map(({ what, often, at }) => (
          <li key={what} class="row" style={{ flexWrap: 'nowrap' }}>
            <span class="cut mono" title={what}>
              {what}
            </span>
            <span class="muted end">
              {often} {clockTime(at)}
            </span>
          </li>
        ))}
      </ul>
    </>
  );
}
