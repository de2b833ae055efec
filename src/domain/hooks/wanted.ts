import type { Event } from '../../contract/schemas/sandbox.ts';
import { matches, parseSelectors } from '../selectors.ts';

export interface Wanted {
  readonly events: readonly string[];
  readonly labels: readonly string[];
  readonly owner?: string;
}

type Told = Pick<Event, 'type' | 'state' | 'owner'> & { readonly labels?: Readonly<Record<string, string>> };

/** As receivers know it: `sandbox.warned`, `template`, `alert`. */
export function eventName({ type, state }: Pick<Event, 'type' | 'state'>): string {
  return state === undefined ? type : `${type}.${state}`;
}

/** Is a hook with this filter told of it? */
export function isWanted(filter: Wanted, event: Told): boolean {
  if (!filter.events.includes(event.type) && !filter.events.includes(eventName(event))) return false;
  if (filter.owner !== undefined && filter.owner !== event.owner) return false;
  return filter.labels.length === 0 || matches(event.labels ?? {}, parseSelectors(filter.labels));
}
