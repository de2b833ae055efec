/** Spans as OTLP has them in JSON. Times are ms since the epoch. */
export interface Span {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentId?: string;
  readonly name: string;
  readonly startMs: number;
  readonly endMs: number;
  readonly attributes: Readonly<Record<string, string | number>>;
  /** What went wrong. */
  readonly error?: string;
  readonly kind: 'server' | 'internal';
}

/** `00-TRACE-SPAN-FLAGS` of W3C Trace Context: whose trace this goes on with; undefined for anything else. */
export function parentOf(
  header: string | undefined,
): { readonly traceId: string; readonly parentId: string } | undefined {
  const match = /^00-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}$/.exec(header ?? '');
  const [, traceId = '', parentId = ''] = match ?? [];
  if (match === null || /^0+$/.test(traceId) || /^0+$/.test(parentId)) return undefined;
  return { traceId, parentId };
}

const KIND = { internal: 1, server: 2 } as const;
const ERROR = 2;

/** The body of an OTLP/HTTP export. */
export function exportBody(spans: readonly Span[], resource: Readonly<Record<string, string>>): string {
  return JSON.stringify({
    resourceSpans: [
      {
        resource: { attributes: attributes(resource) },
        scopeSpans: [{ scope: { name: 'arc' }, spans: spans.map(otlpSpan) }],
      },
    ],
  });
}

function otlpSpan({ traceId, spanId, parentId, name, startMs, endMs, attributes: own, error, kind }: Span) {
  return {
    ...{ traceId, spanId, name, kind: KIND[kind] },
    ...(parentId === undefined ? {} : { parentSpanId: parentId }),
    ...{ startTimeUnixNano: nanos(startMs), endTimeUnixNano: nanos(Math.max(startMs, endMs)) },
    attributes: attributes(own),
    ...(error === undefined ? {} : { status: { code: ERROR, message: error } }),
  };
}

function attributes(from: Readonly<Record<string, string | number>>) {
  return Object.entries(from).map(([key, value]) => ({
    key,
    value: typeof value === 'string' ? { stringValue: value } : { doubleValue: value },
  }));
}

/** Beyond what a double holds exactly, so in two parts. */
function nanos(ms: number): string {
  return String(BigInt(Math.round(ms * 1_000)) * 1_000n);
}
