import { request } from 'node:http';
import { ArcError } from '../../../contract/errors.ts';
import type { Clock } from '../../../kit/clock.ts';
import type { Call } from './calls.ts';

/** An answer is short; whoever holds the monitor may say anything. */
const ANSWER_BYTES_MAX = 65_536;
const READY_MS = 10_000;
const AGAIN_MS = 5;

/** Firecracker's HTTP server at its Unix socket. One request at a time, each on a connection of its own. */
export class FirecrackerApi {
  readonly #socketPath: string;
  readonly #clock: Clock;

  constructor(socketPath: string, clock: Clock) {
    this.#socketPath = socketPath;
    this.#clock = clock;
  }

  /** Waits until it answers. Throws timeout, start_failed; and the reason of `signal`. */
  async ready(signal: AbortSignal): Promise<void> {
    const until = this.#clock.monotonic() + READY_MS;
    for (;;) {
      signal.throwIfAborted();
      try {
        const said = await this.call({ method: 'GET', path: '/' }, signal);
        const state = JSON.parse(said) as { readonly state?: unknown };
        if (state.state === 'Not started') return;
        throw new ArcError('start_failed', `Firecracker was begun by somebody else: its machine is ${state.state}`);
      } catch (error) {
        if (!isAbsent(error)) throw error;
        if (this.#clock.monotonic() > until) throw new ArcError('timeout', 'Firecracker does not answer at its socket');
      }
      await this.#clock.sleep(AGAIN_MS, signal);
    }
  }

  /** What it answered. Throws start_failed, with its own words, when it refused. */
  async call({ method, path, body }: Call, signal: AbortSignal): Promise<string> {
    const { status, text } = await this.#send(method, path, body, signal);
    if (status === 200 || status === 204) return text;
    throw new ArcError('start_failed', `Firecracker refused ${method} ${path}: ${faultOf(text) ?? `status ${status}`}`);
  }

  async all(calls: readonly Call[], signal: AbortSignal): Promise<void> {
    for (const call of calls) await this.call(call, signal);
  }

  #send(method: string, path: string, body: Call['body'], signal: AbortSignal) {
    const { promise, resolve, reject } = Promise.withResolvers<{ status: number; text: string }>();
    const json = body === undefined ? undefined : Buffer.from(JSON.stringify(body));
    const headers = {
      accept: 'application/json',
      ...(json && { 'content-type': 'application/json', 'content-length': json.length }),
    };
    const options = { socketPath: this.#socketPath, method, path, headers, signal, agent: false };
    const sent = request(options, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (part: string) => {
        text += part;
        if (text.length > ANSWER_BYTES_MAX) response.destroy(new Error('an answer without an end'));
      });
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text }));
      response.on('error', reject);
    });
    sent.on('error', (error) => reject(signal.aborted ? signal.reason : error));
    sent.end(json);
    return promise;
  }
}

function faultOf(text: string): string | undefined {
  try {
    const value: unknown = JSON.parse(text);
    const message = typeof value === 'object' && value !== null && 'fault_message' in value && value.fault_message;
    return typeof message === 'string' ? message : undefined;
  } catch {
    return undefined;
  }
}

const isAbsent = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ECONNREFUSED');
