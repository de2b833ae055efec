import { createSocket } from 'node:dgram';
import { connect } from 'node:net';
import type { Clock, Rng } from '../../kit/clock.ts';
import { type Reply, readReply, writeQuery } from './wire.ts';

export interface Server {
  readonly host: string;
  readonly port: number;
}

export interface UpstreamDeps {
  /** Asked one after the other until one answers. */
  readonly servers: () => Promise<readonly Server[]>;
  readonly clock: Clock;
  readonly rng: Rng;
}

/** ms that one server has. */
const ANSWER_MS = 2_000;
const SERVERS_MAX = 3;
const MESSAGE_BYTES_MAX = 65_535;

/** Asks the name servers of the host. Who asks for the same name at the same time shares the answer. */
export class Upstream {
  readonly #deps: UpstreamDeps;
  readonly #asking = new Map<string, Promise<Reply | undefined>>();

  constructor(deps: UpstreamDeps) {
    this.#deps = deps;
  }

  /** IPv4 addresses of a name; `undefined` when no server answered. */
  async ask(name: string): Promise<Reply | undefined> {
    const key = name.toLowerCase();
    const asking = this.#asking.get(key) ?? this.#askAll(name).finally(() => this.#asking.delete(key));
    this.#asking.set(key, asking);
    return await asking;
  }

  async #askAll(name: string): Promise<Reply | undefined> {
    for (const server of (await this.#deps.servers()).slice(0, SERVERS_MAX)) {
      const reply = await this.#byDatagram(server, name);
      const whole = reply?.cut ? await this.#byStream(server, name) : reply;
      if (whole !== undefined) return whole;
    }
    return undefined;
  }

  /** A socket and a number of its own for each question: nobody else can guess both. */
  #byDatagram({ host, port }: Server, name: string): Promise<Reply | undefined> {
    const { promise, resolve } = Promise.withResolvers<Reply | undefined>();
    const id = this.#number();
    const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4');
    const cancel = this.#deps.clock.after(ANSWER_MS, () => resolve(undefined));
    socket.on('error', () => resolve(undefined));
    socket.on('message', (message) => {
      const reply = readReply(message, id, name);
      if (reply) resolve(reply);
    });
    socket.connect(port, host, () => socket.send(writeQuery(id, name)));
    return promise.finally(() => {
      cancel();
      socket.close();
    });
  }

  #byStream({ host, port }: Server, name: string): Promise<Reply | undefined> {
    const { promise, resolve } = Promise.withResolvers<Reply | undefined>();
    const id = this.#number();
    const socket = connect({ host, port });
    const cancel = this.#deps.clock.after(ANSWER_MS, () => resolve(undefined));
    let held = Buffer.alloc(0);
    socket.on('connect', () => socket.write(framed(writeQuery(id, name))));
    socket.on('data', (data) => {
      held = Buffer.concat([held, data]);
      const length = held.length < 2 ? MESSAGE_BYTES_MAX : held.readUInt16BE(0);
      if (held.length >= 2 + length) resolve(readReply(held.subarray(2, 2 + length), id, name));
    });
    socket.on('error', () => resolve(undefined));
    socket.on('close', () => resolve(undefined));
    return promise.finally(() => {
      cancel();
      socket.destroy();
    });
  }

  #number(): number {
    return Buffer.from(this.#deps.rng.bytes(2)).readUInt16BE(0);
  }
}

/** By TCP each message has its length before it. */
export function framed(message: Buffer): Buffer {
  const head = Buffer.alloc(2);
  head.writeUInt16BE(message.length, 0);
  return Buffer.concat([head, message]);
}
