/** As many routes as a full node has, and how many of them are asked for in turn. */
export const ROUTES = 10_000;
export const HOT = 64;

/** The nth sandbox has a loopback address of its own, all of which the upstream serves. */
export const octetsOf = (n: number): readonly [number, number] => [1 + (n >> 8), n & 255];
export const addressOf = (n: number): string => `127.0.${octetsOf(n).join('.')}`;

/** An id as Arc gives them: letters only. */
export const idOf = (n: number): string =>
  `sb-${n.toString().replace(/[0-9]/g, (digit) => 'abcdefghij'[Number(digit)] ?? '')}zzzz`;
