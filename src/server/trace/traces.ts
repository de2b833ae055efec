import { exportBody, parentOf, type Span } from '../../domain/trace/span.ts';
import type { Clock, Rng } from '../../kit/clock.ts';
import type { Logger } from '../../kit/logger.ts';
import type { Send } from '../core/hooks/send.ts';
import type { EdgeAnswer, EdgeFigures, Phase, Traces, Vitals } from '../service.ts';

/** Spans that wait to be sent, and sandboxes whose parts are kept until their create is answered, at most. */
const WAITING_MAX = 2_000;
const SANDBOXES_MAX = 2_000;
const PHASES_MAX = 16;
/** ms between two exports. */
const EXPORT_MS = 2_000;
const SEND_MS = 5_000;
/** ms after its create within which the first answer of a sandbox belongs to the trace. */
const FIRST_BYTE_MS = 300_000;

interface Root {
  readonly traceId: string;
  readonly spanId: string;
  readonly endMs: number;
  readonly attributes: Span['attributes'];
}

export interface TraceDeps {
  /** Where OTLP over HTTP is taken, without its path. */
  readonly collector: string;
  readonly version: string;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly logger: Logger;
  readonly send: Send;
}

/**
 * Traces of creates, from the request to the first byte of what was made. The parts are what the core tells for its
 * metrics anyway; they become spans once the request is over. Where there is no collector, nothing of this exists.
 */
export class CreateTraces implements Traces {
  readonly #deps: TraceDeps;
  readonly #phases = new Map<string, Phase[]>();
  readonly #roots = new Map<string, Root>();
  #waiting: Span[] = [];
  #cancel: (() => void) | undefined;
  #sending: Promise<void> = Promise.resolve();
  #failing = false;

  constructor(deps: TraceDeps, vitals: Vitals, edge: EdgeFigures) {
    this.#deps = deps;
    vitals.onPhase((phase) => this.#note(phase));
    edge.onAnswer((answer) => this.#first(answer));
  }

  created({ id, startMs, error, traceparent, attributes }: Parameters<Traces['created']>[0]): void {
    const endMs = this.#deps.clock.now();
    const parent = parentOf(traceparent);
    const traceId = parent?.traceId ?? this.#hex(16);
    const spanId = this.#hex(8);
    const about = { ...attributes, ...(id === undefined ? {} : { 'arc.sandbox': id }) };
    this.#push({
      ...{ traceId, spanId, name: 'POST /v1/sandboxes', startMs, endMs, attributes: about, kind: 'server' },
      ...(parent === undefined ? {} : { parentId: parent.parentId }),
      ...(error === undefined ? {} : { error }),
    });
    if (id === undefined) return;
    for (const phase of this.#phases.get(id) ?? []) this.#push(this.#phaseSpan(phase, traceId, spanId));
    this.#phases.delete(id);
    keep(this.#roots, id, { traceId, spanId, endMs, attributes: about });
  }

  async close(): Promise<void> {
    this.#cancel?.();
    this.#flush();
    await this.#sending;
  }

  #note(phase: Phase): void {
    const known = this.#phases.get(phase.id);
    if (known === undefined) keep(this.#phases, phase.id, [phase]);
    else if (known.length < PHASES_MAX) known.push(phase);
  }

  #first({ by, id, status, ms }: EdgeAnswer): void {
    const root = id === undefined || by !== 'sandbox' ? undefined : this.#roots.get(id);
    if (id === undefined || root === undefined) return;
    this.#roots.delete(id);
    const endMs = this.#deps.clock.now();
    if (endMs - root.endMs > FIRST_BYTE_MS) return;
    this.#push({
      ...{ traceId: root.traceId, spanId: this.#hex(8), parentId: root.spanId, name: 'first byte', kind: 'internal' },
      ...{ startMs: endMs - ms, endMs, attributes: { ...root.attributes, 'http.response.status_code': status } },
    });
  }

  #phaseSpan({ id, name, level, ms, endedAt, ok }: Phase, traceId: string, parentId: string): Span {
    return {
      ...{ traceId, spanId: this.#hex(8), parentId, name, kind: 'internal', startMs: endedAt - ms, endMs: endedAt },
      attributes: { 'arc.sandbox': id, 'arc.isolation': level },
      ...(ok ? {} : { error: 'it failed' }),
    };
  }

  #push(span: Span): void {
    if (this.#waiting.length >= WAITING_MAX) return;
    this.#waiting.push(span);
    this.#cancel ??= this.#deps.clock.after(EXPORT_MS, () => this.#flush());
  }

  #flush(): void {
    this.#cancel = undefined;
    const spans = this.#waiting;
    if (spans.length === 0) return;
    this.#waiting = [];
    this.#sending = this.#export(spans);
  }

  /** A trace that can't be sent is lost: nothing else may suffer for it. */
  async #export(spans: readonly Span[]): Promise<void> {
    const { clock, collector, logger, send, version } = this.#deps;
    const cancel = new AbortController();
    const stop = clock.after(SEND_MS, () => cancel.abort(new Error(`no answer within ${SEND_MS} ms`)));
    const body = exportBody(spans, { 'service.name': 'arc', 'service.version': version });
    const headers = { 'content-type': 'application/json' };
    const answer = await send({ url: `${collector}/v1/traces`, headers, body }, cancel.signal);
    stop();
    const failed = answer.kind !== 'taken';
    if (failed && !this.#failing) logger.warn({ why: answer.detail, spans: spans.length }, 'traces could not be sent');
    this.#failing = failed;
  }

  #hex(bytes: number): string {
    return Buffer.from(this.#deps.rng.bytes(bytes)).toString('hex');
  }
}

/** The oldest makes room. */
function keep<T>(map: Map<string, T>, id: string, value: T): void {
  if (map.size >= SANDBOXES_MAX) {
    const [oldest] = map.keys();
    if (oldest !== undefined) map.delete(oldest);
  }
  map.set(id, value);
}
