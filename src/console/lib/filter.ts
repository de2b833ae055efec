import type { SandboxView } from '../../sdk/index.ts';

/** What the table of sandboxes is filtered by. Pure: the same in a test as in the page. */

export interface Filter {
  readonly text: string;
  readonly state: string;
  readonly template: string;
  readonly level: string;
  readonly owner: string;
}

export const NO_FILTER: Filter = { text: '', state: '', template: '', level: '', owner: '' };

/** A row with what is searched made once, so that a keystroke costs no more than looking. */
export interface Row {
  readonly sandbox: SandboxView;
  readonly createdMs: number;
  readonly search: string;
}

export function toRow(sandbox: SandboxView): Row {
  const labels = Object.entries(sandbox.labels).map(([key, value]) => `${key}=${value}`);
  const { id, template, owner, state, isolation, node } = sandbox;
  const search = [id, template, owner, state, isolation, node, ...labels].join('\n').toLowerCase();
  return { sandbox, createdMs: Date.parse(sandbox.createdAt), search };
}

/** Words must all be found; `key=value` must be a whole label, `key=` any value of it. */
export function matcher(filter: Filter): (row: Row) => boolean {
  const words = filter.text.toLowerCase().split(/\s+/).filter(Boolean);
  const texts = words.map((word) => {
    if (!word.includes('=')) return (search: string) => search.includes(word);
    const open = word.endsWith('=');
    return (search: string) => search.includes(open ? `\n${word}` : `\n${word}\n`);
  });
  return ({ sandbox, search }) => {
    if (filter.state !== '' && sandbox.state !== filter.state) return false;
    if (filter.template !== '' && sandbox.template !== filter.template) return false;
    if (filter.level !== '' && sandbox.isolation !== filter.level) return false;
    if (filter.owner !== '' && sandbox.owner !== filter.owner) return false;
    const whole = texts.length > 0 ? `${search}\n` : '';
    return texts.every((fits) => fits(whole));
  };
}

export interface Facets {
  readonly states: readonly (readonly [string, number])[];
  readonly templates: readonly (readonly [string, number])[];
  readonly levels: readonly (readonly [string, number])[];
  readonly owners: readonly (readonly [string, number])[];
}

/** How many there are of each, for the choices beside the search. */
export function facets(rows: readonly Row[]): Facets {
  const count = (key: (sandbox: SandboxView) => string) => {
    const counts = new Map<string, number>();
    for (const { sandbox } of rows) counts.set(key(sandbox), (counts.get(key(sandbox)) ?? 0) + 1);
    return [...counts].sort(([a], [b]) => a.localeCompare(b));
  };
  return {
    states: count(({ state }) => state),
    templates: count(({ template }) => template),
    levels: count(({ isolation }) => isolation),
    owners: count(({ owner }) => owner),
  };
}

/** The address keeps the filter, so that a view can be sent to a colleague. */
export function filterFrom(query: URLSearchParams): Filter {
  const of = (key: keyof Filter) => query.get(key) ?? '';
  return { text: of('text'), state: of('state'), template: of('template'), level: of('level'), owner: of('owner') };
}

export function filterQuery(filter: Filter): string {
  const query = new URLSearchParams(Object.entries(filter).filter(([, value]) => value !== ''));
  return query.size > 0 ? `?${query}` : '';
}
