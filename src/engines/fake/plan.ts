import { ArcError } from '../../contract/errors.ts';
import type { CreateOrder, Target } from '../engine.ts';

/** What happens to one call. */
export interface Fate {
  /** ms until it happens. */
  readonly delayMs: number;
  /**
   * `refuse`: nothing is done and it throws. `lost-reply`: it is done and throws all the same. `leftover`: half of it is
   * done and it throws. `hang`: it never comes back, and nothing is done.
   */
  readonly outcome: 'ok' | 'refuse' | 'lost-reply' | 'leftover' | 'hang';
}

export interface CreateFate extends Fate {
  /** The program ends by itself this long after its start. */
  readonly exitAfterMs?: number;
  readonly oom?: boolean;
  /** Goes on when it is cancelled. */
  readonly stubborn?: boolean;
}

/** Decides what each call to a fake engine comes to. */
export interface FakePlan {
  create(order: CreateOrder): CreateFate;
  destroy(target: Target): Fate;
  stop(target: Target): Fate;
  freeze(target: Target): Fate;
  thaw(target: Target): Fate;
  probe(target: Target): Fate & { readonly ready: boolean };
  list(): Fate;
}

const OK: Fate = { delayMs: 0, outcome: 'ok' };

/** Everything works at once. */
export const smoothPlan: FakePlan = {
  create: () => OK,
  destroy: () => OK,
  stop: () => OK,
  freeze: () => OK,
  thaw: () => OK,
  probe: () => ({ ...OK, ready: true }),
  list: () => OK,
};

export function fakeFault(what: string): ArcError {
  return new ArcError('start_failed', `the fake engine was told to fail: ${what}`);
}

export interface FaultRates {
  /** Probability of each bad outcome of a call, 0 to 1. */
  readonly refuse: number;
  readonly lostReply: number;
  readonly leftover: number;
  readonly hang: number;
  readonly slow: number;
  readonly stubborn: number;
  readonly exit: number;
  readonly notReady: number;
}

export const NO_FAULTS: FaultRates = {
  refuse: 0,
  lostReply: 0,
  leftover: 0,
  hang: 0,
  slow: 0,
  stubborn: 0,
  exit: 0,
  notReady: 0,
};

/** A plan by chance; the same source of chance gives the same fates. `rates` is asked at each call, so that it can change. */
export function seededPlan(float: () => number, rates: () => FaultRates): FakePlan {
  const fate = (quickMs: number, slowMs: number): Fate => {
    const { refuse, lostReply, leftover, hang, slow } = rates();
    const delayMs = Math.floor(float() * (float() < slow ? slowMs : quickMs));
    let dice = float();
    for (const [outcome, probability] of [
      ['refuse', refuse],
      ['lost-reply', lostReply],
      ['leftover', leftover],
      ['hang', hang],
    ] as const) {
      if (dice < probability) return { delayMs, outcome };
      dice -= probability;
    }
    return { delayMs, outcome: 'ok' };
  };
  return {
    create: () => ({
      ...fate(50, 90_000),
      stubborn: float() < rates().stubborn,
      oom: float() < 0.3,
      ...(float() < rates().exit ? { exitAfterMs: Math.floor(float() * float() * 5_000) } : {}),
    }),
    destroy: () => fate(30, 40_000),
    stop: () => fate(30, 40_000),
    freeze: () => fate(10, 40_000),
    thaw: () => fate(5, 40_000),
    probe: () => ({ ...fate(5, 5_000), ready: float() >= rates().notReady }),
    list: () => fate(5, 40_000),
  };
}
