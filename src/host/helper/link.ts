import { connect, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { ArcError } from '../../contract/errors.ts';
import { errorOf } from './answers.ts';
import {
  encodeFields,
  encodeFrame,
  type Field,
  Fields,
  type Frame,
  FrameReader,
  MESSAGE,
  PROTOCOL_VERSION,
} from './wire.ts';

interface Waiting {
  readonly items: Fields[];
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: Error) => void;
}

export interface Answer {
  readonly fields: Fields;
  readonly items: readonly Fields[];
}

/** One connection to the helper: requests by number, and whatever comes without being asked for. */
export class HelperLink {
  readonly #socket: Duplex;
  readonly #reader = new FrameReader();
  readonly #waiting = new Map<number, Waiting>();
  #next = 1;
  #closed = false;
  /** Takes over all frames that are no answers. */
  onFrame: (frame: Frame) => void = () => {};
  onClose: () => void = () => {};

  private constructor(socket: Duplex) {
    this.#socket = socket;
    socket.on('data', (bytes: Buffer) => this.#receive(bytes));
    socket.on('error', () => {});
    socket.on('close', () => this.#close());
  }

  /** Connected and greeted. Throws ArcError helper_unavailable or helper_protocol. */
  static async open(path: string): Promise<{ link: HelperLink; hello: Fields }> {
    const socket = connect(path);
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', (cause) => reject(unavailable('the node helper does not answer', cause)));
    });
    return await HelperLink.over(socket);
  }

  /** Over a connection that is there already: to the helper, or to the first program of a virtual machine, which speaks alike. */
  static async over(socket: Duplex): Promise<{ link: HelperLink; hello: Fields }> {
    const link = new HelperLink(socket);
    try {
      const { fields } = await link.request(MESSAGE.hello, [['v', PROTOCOL_VERSION]]);
      if (fields.get('v') !== String(PROTOCOL_VERSION)) {
        throw new ArcError('helper_protocol', `the helper speaks version ${fields.get('v')}, not ${PROTOCOL_VERSION}`);
      }
      return { link, hello: fields };
    } catch (error) {
      link.close();
      throw error;
    }
  }

  get closed(): boolean {
    return this.#closed;
  }

  request(type: number, fields: readonly Field[]): Promise<Answer> {
    if (this.#closed) return Promise.reject(unavailable('the connection to the node helper is closed'));
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { items: [], resolve, reject });
      this.#socket.write(encodeFrame(type, id, encodeFields(fields)));
    });
  }

  /** Resolves when there is room for more. */
  send(type: number, id: number, payload?: Uint8Array): Promise<void> {
    if (this.#closed) return Promise.reject(unavailable('the connection to the node helper is closed'));
    return new Promise((resolve, reject) => {
      this.#socket.write(encodeFrame(type, id, payload), (error) =>
        error ? reject(unavailable('the connection to the node helper broke', error)) : resolve(),
      );
    });
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  nextId(): number {
    return this.#next++;
  }

  close(): void {
    this.#socket.destroy();
    this.#close();
  }

  unref(): void {
    if (this.#socket instanceof Socket) this.#socket.unref();
  }

  #receive(bytes: Buffer): void {
    try {
      for (const frame of this.#reader.push(bytes)) this.#take(frame);
    } catch {
      this.close();
    }
  }

  #take(frame: Frame): void {
    const waiting = this.#waiting.get(frame.id);
    const answers = frame.type === MESSAGE.item || frame.type === MESSAGE.ok || frame.type === MESSAGE.error;
    if (!waiting || !answers) {
      this.onFrame(frame);
      return;
    }
    if (frame.type === MESSAGE.item) {
      waiting.items.push(new Fields(frame.payload));
      return;
    }
    this.#waiting.delete(frame.id);
    const fields = new Fields(frame.payload);
    if (frame.type === MESSAGE.ok) waiting.resolve({ fields, items: waiting.items });
    else waiting.reject(errorOf(fields));
  }

  #close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const waiting of this.#waiting.values()) waiting.reject(unavailable('the node helper was lost'));
    this.#waiting.clear();
    this.onClose();
  }
}

export const unavailable = (detail: string, cause?: unknown) => new ArcError('helper_unavailable', detail, { cause });
