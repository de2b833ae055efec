import { ArcError } from '../../contract/errors.ts';

export interface PortRange {
  readonly first: number;
  readonly last: number;
}

/** Ports of this machine that lead to `tcp` ports of sandboxes. The store refuses a second holder; this finds free ones. */
export class TcpPorts {
  readonly #range: PortRange | undefined;
  readonly #holders = new Map<number, string>();
  /** Where the next search begins: a port rests before it has a new holder. */
  #next: number;

  constructor(range: PortRange | undefined) {
    this.#range = range;
    this.#next = range?.first ?? 0;
  }

  /** One for each, kept for this sandbox until it lets go. Without a range there are none. Throws at_capacity. */
  take(id: string, ports: readonly number[]): Readonly<Record<string, number>> | undefined {
    if (!this.#range || ports.length === 0) return undefined;
    const taken: Record<string, number> = {};
    for (const port of ports) {
      const found = this.#free(this.#range);
      if (found === undefined) {
        this.release(id, taken);
        throw new ArcError('at_capacity', 'no port of `--tcp-ports` is free', {
          hint: 'Remove some sandboxes with `tcp` ports, or widen `--tcp-ports`.',
        });
      }
      this.#holders.set(found, id);
      taken[port] = found;
    }
    return taken;
  }

  /** Of a row that was read or written. */
  note(id: string, ports: Readonly<Record<string, number>> | undefined, held: boolean): void {
    if (!held) this.release(id, ports);
    else for (const port of Object.values(ports ?? {})) this.#holders.set(port, id);
  }

  release(id: string, ports: Readonly<Record<string, number>> | undefined): void {
    for (const port of Object.values(ports ?? {})) if (this.#holders.get(port) === id) this.#holders.delete(port);
  }

  #free({ first, last }: PortRange): number | undefined {
    const size = last - first + 1;
    for (let step = 0; step < size; step++) {
      const port = first + ((this.#next - first + step) % size);
      if (this.#holders.has(port)) continue;
      this.#next = port === last ? first : port + 1;
      return port;
    }
    return undefined;
  }
}
