/**
 * How the SDK reaches the server. `fetchTransport` is the default and runs in browsers and in Node; a program that cares
 * about its start-up time or wants an agent of its own brings another one.
 */
export interface HttpRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  /** A `Blob`, such as a file that a person chose, is what browsers send without holding it in memory. */
  readonly body?: string | Uint8Array | Blob | AsyncIterable<Uint8Array>;
  readonly signal?: AbortSignal;
}

export interface HttpResponse {
  readonly status: number;
  header(name: string): string | undefined;
  /** Read once. Leaving the loop early, or `cancel`, gives the connection up. */
  readonly body: AsyncIterable<Uint8Array>;
  cancel(): Promise<void>;
}

/** Rejects when there is no answer at all; every HTTP status is an answer. */
export type Transport = (request: HttpRequest) => Promise<HttpResponse>;

export const fetchTransport: Transport = async (request) => {
  const streamed =
    request.body !== undefined && typeof request.body === 'object' && Symbol.asyncIterator in request.body;
  const response = await fetch(request.url, {
    method: request.method,
    headers: { ...request.headers },
    ...(request.body === undefined ? {} : { body: toBody(request.body) }),
    ...(streamed ? { duplex: 'half' } : {}),
    ...(request.signal ? { signal: request.signal } : {}),
  } as RequestInit);
  return {
    status: response.status,
    header: (name) => response.headers.get(name) ?? undefined,
    body: readBody(response.body),
    cancel: async () => {
      if (response.body && !response.body.locked) await response.body.cancel();
    },
  };
};

function toBody(
  body: string | Uint8Array | Blob | AsyncIterable<Uint8Array>,
): string | Uint8Array | Blob | ReadableStream<Uint8Array> {
  if (typeof body === 'string' || body instanceof Uint8Array || body instanceof Blob) return body;
  const iterator = body[Symbol.asyncIterator]();
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      const next = await iterator.next();
      if (next.done) controller.close();
      else controller.enqueue(next.value);
    },
    async cancel() {
      await iterator.return?.();
    },
  });
}

// Written out because not every browser can iterate a ReadableStream.
async function* readBody(stream: ReadableStream<Uint8Array> | null): AsyncGenerator<Uint8Array, void, void> {
  if (!stream) return;
  const reader = stream.getReader();
  let ended = false;
  try {
    for (;;) {
      const next = await reader.read();
      if (next.done) {
        ended = true;
        return;
      }
      yield next.value;
    }
  } finally {
    if (!ended) await reader.cancel().catch(() => {});
    reader.releaseLock();
  }
}
