import { type Static, Type } from 'typebox';
import { Network } from './template.ts';

const closed = { additionalProperties: false } as const;

/** PATCH /v1/sandboxes/{id}/network */
export const NetworkRequest = Type.Object({ network: Network }, { ...closed, $id: 'NetworkRequest' });
export type NetworkRequest = Static<typeof NetworkRequest>;

/** What a sandbox may connect to, and how it fares with it. */
export const NetworkView = Type.Object(
  {
    network: Network,
    /** Connections to beyond the machine, since it got this policy. */
    opened: Type.Integer(),
    /**
     * What it sent in vain within the last half hour, newest first: each place and port once. When a program tries very many,
     * only some of them are kept.
     */
    refused: Type.Array(
      Type.Object(
        {
          address: Type.String(),
          protocol: Type.String(),
          port: Type.Optional(Type.Integer()),
          packets: Type.Integer(),
          since: Type.String({ format: 'date-time' }),
        },
        closed,
      ),
    ),
    /** Names that it asked for in vain. */
    names: Type.Array(
      Type.Object(
        {
          name: Type.String(),
          /** `refused-address`: it leads to where no sandbox may connect to. */
          why: Type.Union([Type.Literal('not-allowed'), Type.Literal('refused-address')]),
          address: Type.Optional(Type.String()),
          count: Type.Integer(),
          lastAt: Type.String({ format: 'date-time' }),
        },
        closed,
      ),
    ),
  },
  { ...closed, $id: 'NetworkView' },
);
export type NetworkView = Static<typeof NetworkView>;
