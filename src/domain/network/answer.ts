import { type Cidr, contains, parseAddress } from './cidr.ts';
import { isRefused } from './refused.ts';

/** The parts of a DNS answer that matter: addresses, and names that stand for others. */
export type AnswerRecord =
  | { readonly type: 'A'; readonly name: string; readonly ttl: number; readonly data: string }
  | { readonly type: 'CNAME'; readonly name: string; readonly ttl: number; readonly data: string };

export interface Judged {
  /** What may be passed on, with lifetimes within bounds. */
  readonly records: readonly AnswerRecord[];
  readonly addresses: readonly string[];
  /** s until the shortest-lived of them is over. */
  readonly ttl: number;
  /** Addresses that no sandbox may reach: a name that leads there is being rebound, or is of another network. */
  readonly refused: readonly string[];
}

export interface AnswerBounds {
  /** Nobody may be told to forget sooner, nor later. In s. */
  readonly ttlMin: number;
  readonly ttlMax: number;
  readonly addressesMax: number;
}

/**
 * What of an answer may reach who asked for `asked`. Only records that hang together with the question count: others
 * could name addresses for names that nobody allowed.
 * @param open ranges that the operator opened; @param own addresses of this Arc's sandboxes, which are never
 */
export function judge(
  asked: string,
  answers: readonly AnswerRecord[],
  bounds: AnswerBounds,
  open: readonly Cidr[],
  own: Cidr,
): Judged {
  const chain = namesFrom(asked, answers);
  const ttl = (seconds: number) => Math.min(Math.max(seconds, bounds.ttlMin), bounds.ttlMax);
  const related = answers.filter(({ name }) => chain.has(lower(name)));
  const refused: string[] = [];
  const records = related.flatMap((record): AnswerRecord[] => {
    if (record.type === 'CNAME') return [{ ...record, ttl: ttl(record.ttl) }];
    const address = parseAddress(record.data);
    if (address === undefined) return [];
    if (isRefused(address, open) || contains(own, address)) {
      refused.push(record.data);
      return [];
    }
    return [{ ...record, ttl: ttl(record.ttl) }];
  });
  const aliases = records.filter(({ type }) => type === 'CNAME');
  const found = records.filter(({ type }) => type === 'A').slice(0, bounds.addressesMax);
  return {
    records: [...aliases, ...found],
    addresses: [...new Set(found.map(({ data }) => data))],
    ttl: Math.min(bounds.ttlMax, ...records.map((record) => record.ttl)),
    refused,
  };
}

/** The name that was asked for and all that it stands for, however the records are ordered. */
function namesFrom(asked: string, answers: readonly AnswerRecord[]): ReadonlySet<string> {
  const names = new Set([lower(asked)]);
  for (let before = 0; before < names.size; ) {
    before = names.size;
    for (const { type, name, data } of answers) if (type === 'CNAME' && names.has(lower(name))) names.add(lower(data));
  }
  return names;
}

const lower = (name: string): string => name.toLowerCase().replace(/\.$/, '');
