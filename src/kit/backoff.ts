export interface BackoffOptions {
  readonly firstMs: number;
  readonly factor: number;
  readonly maxMs: number;
}

/** Waiting times that grow to a limit: `firstMs`, `firstMs * factor`, … `maxMs`, `maxMs`, … */
export function* backoff(options: BackoffOptions): Generator<number, never> {
  let ms = options.firstMs;
  for (;;) {
    yield Math.min(ms, options.maxMs);
    ms = Math.min(ms * options.factor, options.maxMs);
  }
}
