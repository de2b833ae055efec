import type { EdgeTally } from '../edge/figures.ts';
import type { CleanupStack } from '../kit/cleanup.ts';
import type { Logger } from '../kit/logger.ts';
import { realClock, realRng } from '../kit/real.ts';
import type { Traces, Vitals } from '../server/service.ts';
import type { Config } from './config/index.ts';
import { sendMessage } from './send-message.ts';
import { version } from './version.ts';

/** Nothing of it is loaded where nobody takes traces. */
export async function tracesOf(
  { otlp }: Config,
  parts: { logger: Logger; vitals: Vitals; traffic: EdgeTally; undo: CleanupStack },
): Promise<{ readonly traces?: Traces }> {
  if (otlp === undefined) return {};
  const { CreateTraces } = await import('../server/trace/traces.ts');
  const { logger, vitals, traffic, undo } = parts;
  const about = { collector: otlp, version: version(), clock: realClock, rng: realRng };
  const traces = new CreateTraces({ ...about, logger, send: sendMessage }, vitals, traffic);
  await undo.add('traces', () => traces.close());
  return { traces };
}
