import type { Answer } from '../../../domain/hooks/retry.ts';

export interface Message {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** Posts one message; the composition root brings the real one, which must give up when the signal says so. */
export type Send = (message: Message, signal: AbortSignal) => Promise<Answer>;
