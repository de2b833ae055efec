import { REFUSED_SECONDS } from './elements.ts';

/** Packets of a sandbox that went nowhere: one entry for each place and port. */
export interface Refusal {
  readonly address: string;
  readonly protocol: string;
  readonly port?: number;
  readonly packets: number;
  /** When the first of them was seen, ms since the epoch. It is forgotten some time after. */
  readonly since: number;
}

/** As `nft -j` lists elements of sets with counters. */
interface Element {
  readonly val: string | { readonly concat: readonly (string | number)[] };
  readonly counter?: { readonly packets: number };
  readonly expires?: number;
}

/** @param lists what nft listed of the sets `opened`, `refused` and `refused_other` */
export function readRefusals(
  lists: readonly string[],
  address: string,
  now: number,
): { readonly opened: number; readonly refused: readonly Refusal[] } {
  const [opened = [], refused = [], other = []] = lists.map(elementsOf);
  const mine = opened.find(({ val }) => val === address);
  const found = [...refused, ...other].flatMap(({ val, counter, expires }): Refusal[] => {
    const [source, to, protocol, port] = typeof val === 'string' ? [] : val.concat;
    if (source !== address || typeof to !== 'string') return [];
    return [
      {
        address: to,
        protocol: String(protocol),
        ...(port === undefined ? {} : { port: Number(port) }),
        packets: counter?.packets ?? 0,
        since: now - (REFUSED_SECONDS - (expires ?? REFUSED_SECONDS)) * 1000,
      },
    ];
  });
  return {
    opened: mine?.counter?.packets ?? 0,
    refused: found.sort((a, b) => b.since - a.since || (a.address < b.address ? -1 : 1)),
  };
}

function elementsOf(text: string): readonly Element[] {
  if (text === '') return [];
  const listed = JSON.parse(text) as {
    nftables: readonly { set?: { elem?: readonly (string | { elem: Element })[] } }[];
  };
  return listed.nftables
    .flatMap(({ set }) => set?.elem ?? [])
    .map((one) => (typeof one === 'string' ? { val: one } : one.elem));
}
