import { ArcError } from '../../contract/errors.ts';
import type { Network } from '../../contract/schemas/template.ts';
import type { ResolvedSpec } from '../../contract/spec.ts';
import { isUp } from '../../domain/lifecycle.ts';
import { describePolicy, within } from '../../domain/network/allow-list.ts';
import { openRanges, resolveNetwork } from '../../domain/network/resolve-network.ts';
import type { Write } from '../../store/store.ts';
import type { Caller } from '../service.ts';
import type { Core } from './context.ts';
import { goneError } from './ending.ts';
import { eventWrite, type SandboxRow, sandboxEvent, targetOf, type Versioned } from './row.ts';
import { isAdmin } from './scopes.ts';

/**
 * Another network policy for one sandbox, in its lane. The row first, so that a start that comes meanwhile has it; then
 * the node, and when this resolves the new policy holds. Where the node fails the caller is told, and asks again.
 */
export async function changeNetwork(
  core: Core,
  found: Versioned,
  caller: Caller,
  network: Network,
  audit: (row: SandboxRow) => Write,
): Promise<Versioned> {
  const { engine } = core;
  if (found.row.state === 'removed') throw goneError(found.row);
  if (found.row.state === 'failed') {
    throw new ArcError('wrong_state', `${found.row.id} has failed`, { extra: { state: found.row.state } });
  }
  if (engine.network === undefined) {
    throw new ArcError('method_not_allowed', `the engine ${engine.name} can not change the network of what it holds`);
  }
  const spec = changedSpec(found.row.spec, caller, network, core.options.networkOpen);
  const same = describePolicy(spec.network) === describePolicy(found.row.spec.network);
  const next = same
    ? found
    : await core.rows.change(
        found,
        (row) => ({ ...row, spec: changedSpec(row.spec, caller, network, core.options.networkOpen) }),
        (row) => [audit(row), changeEvent(core, row, found.row, caller)],
      );
  if (isUp(next.row.state)) await engine.network.set(targetOf(next.row), next.row.spec);
  return next;
}

function changedSpec(spec: ResolvedSpec, caller: Caller, asked: Network, open: readonly string[]): ResolvedSpec {
  const faults: string[] = [];
  const network = resolveNetwork(asked, openRanges(open), (text) => faults.push(text));
  if (faults.length > 0) throw new ArcError('invalid_request', faults.join('; '), { extra: { faults } });
  const most = spec.networkMost ?? spec.network;
  // Who may add templates could as well add one that gives it.
  const free = isAdmin(caller) || caller.scopes.includes('templates:write');
  if (!free && !within(most, network)) {
    throw new ArcError('forbidden', `template ${spec.template} allows ${describePolicy(most)} and no more`, {
      hint: 'A key with the scope templates:write may open it further.',
    });
  }
  return { ...spec, network, networkMost: most };
}

/** Nothing of its life changes, but everybody who watches it is told, and by whose key. */
function changeEvent({ clock }: Core, row: SandboxRow, before: SandboxRow, caller: Caller) {
  const from = describePolicy(before.spec.network);
  const detail = `${describePolicy(row.spec.network)}, before ${from}, by ${caller.keyId}`;
  return eventWrite(sandboxEvent(row, { at: clock.now(), state: row.state, reason: 'network', detail }, row.state));
}
