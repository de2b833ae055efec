/**
 * Work that several want at once is done once. It goes on while anybody still waits, and is aborted when the last one
 * has left.
 */
export class SharedFlights<T> {
  readonly #flights = new Map<
    string,
    { readonly result: Promise<T>; waiting: number; readonly control: AbortController }
  >();

  async join(key: string, signal: AbortSignal, start: (signal: AbortSignal) => Promise<T>): Promise<T> {
    signal.throwIfAborted();
    let flight = this.#flights.get(key);
    // One that is being called off still holds its files; the next begins after it.
    while (flight?.control.signal.aborted) {
      await flight.result.catch(() => {});
      signal.throwIfAborted();
      flight = this.#flights.get(key);
    }
    if (!flight) {
      const control = new AbortController();
      const result = start(control.signal).finally(() => this.#flights.delete(key));
      flight = { result, waiting: 0, control };
      this.#flights.set(key, flight);
    }
    flight.waiting += 1;
    const { promise: left, reject } = Promise.withResolvers<never>();
    const onAbort = () => reject(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      return await Promise.race([flight.result, left]);
    } finally {
      signal.removeEventListener('abort', onAbort);
      flight.waiting -= 1;
      if (flight.waiting === 0 && signal.aborted) {
        flight.control.abort(signal.reason);
        await flight.result.catch(() => {});
      }
    }
  }
}
