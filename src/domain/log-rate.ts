const MIB = 1024 ** 2;

/** Bytes of log a second of a sandbox whose template says nothing. */
export const LOG_RATE_DEFAULT = MIB;

export const LOG_RATE_BOUNDS = { min: 1024, max: 1024 ** 3 };

/** Of its rate, what may come at once after a pause. As `LOG_BURST_SECONDS` of the helper, which holds containers to it. */
export const LOG_BURST_SECONDS = 8;

export interface LogMeter {
  /** Until then, in ms, what was written has been paid for by time. */
  readonly paid: number;
  readonly held: boolean;
}

export const LOG_METER: LogMeter = { paid: 0, held: false };

/** After `bytes` at `now`. Once held, a second of output is dropped at a time, so that one note says it. */
export function meterLog({ paid, held }: LogMeter, now: number, bytes: number, rate: number): LogMeter {
  const from = Math.max(paid, now);
  const over = from - now > (LOG_BURST_SECONDS - (held ? 1 : 0)) * 1000;
  return { paid: over ? from : from + (bytes * 1000) / rate, held: over };
}
