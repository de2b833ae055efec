import type { Sandbox } from '../contract/schemas/sandbox.ts';
import { ago, labelsText, until } from './amounts.ts';
import { clean } from './clean.ts';
import { networkText } from './network-text.ts';
import { textFields, textTable } from './text-table.ts';

/** One sandbox for people: what it is, when and why it will stop, and how it came here. */
export function describe(one: Sandbox, now: number): string {
  const fields: [string, string | undefined][] = [
    ['id', one.id],
    ['state', stateText(one)],
    ['template', one.template],
    ['isolation', one.runtime ? `${one.isolation} (${one.runtime})` : one.isolation],
    ['protection', one.protection],
    ['url', one.url],
    ...Object.entries(one.urls)
      .filter(([, url]) => url !== one.url)
      .map(([port, url]): [string, string] => [`port ${port}`, url]),
    ['stops', stopsText(one, now)],
    ['time to live', one.stops?.why === 'ttl' ? undefined : one.expiresAt && `until ${one.expiresAt}`],
    ['exit', one.exit && exitText(one.exit)],
    ['limits', `memory ${one.memory}, cpus ${one.cpus}, disk ${one.disk}, network ${networkText(one.network)}`],
    ['labels', labelsText(one.labels) || undefined],
    ['owner', one.owner],
    ['node', one.node || undefined],
    ['began', one.start && (one.start === 'claimed' ? 'claimed from the pool' : 'started for this create')],
    ['created', `${ago(one.createdAt, now)} ago (${one.createdAt})`],
    ['started', one.startedAt && `${ago(one.startedAt, now)} ago (${one.startedAt}), start number ${one.incarnation}`],
  ];
  const rows = one.history.map(({ at, state, reason, detail }) => [at, state, reason, detail ?? '']);
  return `${textFields(fields)}\n${textTable(['WHEN', 'STATE', 'REASON', 'DETAIL'], rows)}`;
}

/** When it stops, why, and what becomes of it then. */
export function stopsText({ stops }: Sandbox, now: number): string {
  if (stops === undefined) return 'only when it is removed';
  const why = stops.why === 'ttl' ? 'because of its ttl' : 'unless somebody uses it';
  return `in ${until(stops.at, now)} (${stops.at}), ${why}; then it is ${stops.then}`;
}

/** One line after something was done to it. */
export function briefly(one: Sandbox, now: number): string {
  const at = one.stops?.at ?? one.expiresAt;
  const stops = at === undefined ? '' : `  stops in ${until(at, now)}`;
  return clean(`${one.id}  ${stateText(one)}${one.url ? `  ${one.url}` : ''}${stops}`);
}

export function stateText(one: Sandbox): string {
  const queue = one.queuePosition === undefined ? '' : `, number ${one.queuePosition} in the queue`;
  return `${one.state} (${one.reason}${queue})${one.detail ? `: ${one.detail}` : ''}`;
}

function exitText(exit: NonNullable<Sandbox['exit']>): string {
  const how = exit.signal ?? (exit.code === null ? 'not known' : `code ${exit.code}`);
  return `${how}${exit.oom ? ', out of memory' : ''}, ${exit.at}${exit.note ? ` (${exit.note})` : ''}`;
}
