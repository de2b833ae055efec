import { ALERT_LIMITS, type AlertLimits } from '../../domain/alerts/rules.ts';
import { ALL_TEMPLATES, type LooseningPolicy } from '../../domain/loosening.ts';
import type { PressureLimits } from '../../domain/pressure.ts';
import type { Quota } from '../../domain/quota.ts';
import type { PortRange } from './tcp-ports.ts';

/** Every bound of the control plane, with its unit. */
export interface ControlPlaneOptions {
  /** Starts at once. Default: twice the processors, which the composition root knows. */
  readonly startsMax: number;
  /** Sandboxes that may wait for their start; more are refused with at_capacity. */
  readonly queueMax: number;
  /** Sandboxes at the same time, those that wait for their start and those of pools included. */
  readonly sandboxesMax: number;
  /** Bytes of memory that the warm sandboxes of all pools may take. */
  readonly warmBytes: number;
  /** ms between two passes that make the store and the engine agree. */
  readonly sweepMs: number;
  /** ms between two writes that say how long this boot has lasted. */
  readonly heartbeatMs: number;
  /** ms that the engine may take to start one. */
  readonly createMs: number;
  /** ms that the engine may take to stop, destroy or list. */
  readonly engineMs: number;
  /** ms that a cancelled call of the engine may take to come back before nobody waits for it any more. */
  readonly cancelGraceMs: number;
  /** ms for which a removed or failed row is kept. */
  readonly keepRemovedMs: number;
  /** Removed rows kept at most. */
  readonly keepRemovedMax: number;
  /** Events kept in the feed at most. */
  readonly keepEventsMax: number;
  /** Entries of the audit log kept at most. */
  readonly keepAuditMax: number;
  /** ms that `close` waits for what is under way. */
  readonly closeMs: number;
  /** ms for which an open connection that says nothing counts as use. */
  readonly silentMs: number;
  /** ms between two writes of who was used when. */
  readonly saveActivityMs: number;
  /** ms that a sandbox may take to wake up. */
  readonly wakeMs: number;
  /** ms between two looks at the memory of the nodes. */
  readonly pressureLookMs: number;
  readonly pressure: PressureLimits;
  /** From when on operators are told. */
  readonly alerts: AlertLimits;
  /** What each owner may have where nothing else was set for it. */
  readonly quota: Quota;
  /** Templates that may ask for what loosens the box. */
  readonly loosening: LooseningPolicy;
  /** Ranges that allow-lists may name although sandboxes are refused them. */
  readonly networkOpen: readonly string[];
  /** Ports of this machine for `tcp` ports of sandboxes; absent: none. */
  readonly tcpPorts?: PortRange;
}

export const DEFAULT_OPTIONS: ControlPlaneOptions = {
  startsMax: 4,
  queueMax: 10_000,
  sandboxesMax: 4_000,
  warmBytes: 1024 ** 3,
  sweepMs: 15_000,
  heartbeatMs: 60_000,
  createMs: 60_000,
  engineMs: 30_000,
  cancelGraceMs: 2_000,
  keepRemovedMs: 24 * 3_600_000,
  keepRemovedMax: 10_000,
  keepEventsMax: 100_000,
  keepAuditMax: 200_000,
  loosening: ALL_TEMPLATES,
  closeMs: 5_000,
  silentMs: 300_000,
  saveActivityMs: 30_000,
  wakeMs: 90_000,
  pressureLookMs: 5_000,
  networkOpen: [],
  pressure: { availableMin: 0.08, stalledPercentMax: 20, quietMs: 10_000, atOnce: 8 },
  alerts: ALERT_LIMITS,
  quota: {},
};

/** Waiting times between two tries of the readiness check. */
export const READY_BACKOFF = { firstMs: 2, factor: 1.5, maxMs: 50 } as const;
/** Waiting times between two tries of the first pass over store and engine, on which starts wait. */
export const RECLAIM_BACKOFF = { firstMs: 50, factor: 2, maxMs: 5_000 } as const;
/** ms after which the removal of a sandbox whose time is over is tried again. */
export const EXPIRY_RETRY_MS = 5_000;
/** Steps of one pass carried out at once. */
export const PASS_PARALLEL = 8;
/** Rows read in one go. */
export const PAGE_ROWS = 200;
/** Rows forgotten in one pass. */
export const FORGET_ROWS_MAX = 500;
