import { ArcError } from '../../contract/errors.ts';
import type { FileSession, FileStat } from '../../engines/engine.ts';
import { errorOf, statOf } from './answers.ts';
import { type HelperLink, unavailable } from './link.ts';
import { CHUNK_BYTES, encodeFields, type Field, Fields, type Frame, MESSAGE } from './wire.ts';

/** The helper sends this many chunks of a file, then waits to be told to go on. */
const READ_WINDOW_CHUNKS = 16;

/** The connection becomes a session of one worker that is inside the sandbox. */
export async function openFiles(link: HelperLink, fields: readonly Field[]): Promise<FileSession> {
  try {
    await link.request(MESSAGE.files, fields);
    return new Session(link);
  } catch (error) {
    link.close();
    throw error;
  }
}

/** Frames of the call under way, in order. */
class Inbox {
  readonly #frames: Frame[] = [];
  #lost = false;
  #wake: () => void = () => {};

  constructor(link: HelperLink) {
    link.onFrame = (frame) => {
      this.#frames.push(frame);
      this.#wake();
    };
    link.onClose = () => {
      this.#lost = true;
      this.#wake();
    };
  }

  async next(id: number): Promise<Frame> {
    for (;;) {
      const frame = this.#frames.shift();
      if (frame?.id === id) return frame;
      if (frame) continue;
      if (this.#lost) throw unavailable('the file session ended: the sandbox stopped, or the helper was lost');
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}

class Session implements FileSession {
  readonly #link: HelperLink;
  readonly #inbox: Inbox;
  #last: Promise<void> = Promise.resolve();

  constructor(link: HelperLink) {
    this.#link = link;
    this.#inbox = new Inbox(link);
  }

  async stat(path: string, follow: boolean): Promise<FileStat> {
    const { fields } = await this.#call(MESSAGE.stat, path, [['follow', follow ? 1 : 0]]);
    return statOf(fields);
  }

  async list(path: string): Promise<readonly FileStat[]> {
    return (await this.#call(MESSAGE.dir, path)).items.map(statOf);
  }

  async mkdir(path: string, mode: number): Promise<boolean> {
    const { fields } = await this.#call(MESSAGE.mkdir, path, [['mode', mode]]);
    return fields.get('made') === '1';
  }

  async symlink(target: string, path: string): Promise<void> {
    await this.#call(MESSAGE.symlink, path, [['target', target]]);
  }

  async remove(path: string, recursive: boolean): Promise<void> {
    await this.#call(MESSAGE.remove, path, [['recursive', recursive ? 1 : 0]]);
  }

  async *read(path: string): AsyncGenerator<Uint8Array> {
    const done = await this.#turn();
    const id = this.#link.nextId();
    let over = false;
    try {
      await this.#link.send(MESSAGE.read, id, encodeFields([['path', path]]));
      for (let chunks = 0; ; ) {
        const frame = await this.#inbox.next(id);
        over = frame.type !== MESSAGE.data;
        if (frame.type === MESSAGE.error) throw errorOf(new Fields(frame.payload));
        if (over) return;
        yield frame.payload;
        if (++chunks % READ_WINDOW_CHUNKS === 0) await this.#link.send(MESSAGE.continue, id);
      }
    } finally {
      /* Who stops in the middle: the rest of the window is in flight, then any other message ends the reading. */
      if (!over) await this.#giveUp(id).catch(() => {});
      done();
    }
  }

  async write(path: string, content: AsyncIterable<Uint8Array>, mode: number): Promise<void> {
    const done = await this.#turn();
    const id = this.#link.nextId();
    let begun = false;
    try {
      await this.#link.send(MESSAGE.write, id, encodeFields([['path', path], ['mode', mode]])); // biome-ignore format: one order
      await this.#expect(id, MESSAGE.continue);
      begun = true;
      for await (const data of content) {
        for (let at = 0; at < data.byteLength; at += CHUNK_BYTES) {
          await this.#link.send(MESSAGE.data, id, data.subarray(at, at + CHUNK_BYTES));
        }
      }
      await this.#link.send(MESSAGE.end, id);
      begun = false;
      await this.#expect(id, MESSAGE.ok);
    } catch (error) {
      if (begun) await this.#giveUp(id).catch(() => {});
      throw error;
    } finally {
      done();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#link.close();
  }

  /** Told that no more is wanted, it answers with `ok` or `error`; what comes before that is thrown away. */
  async #giveUp(id: number): Promise<void> {
    await this.#link.send(MESSAGE.stat, id, encodeFields([['path', '/']]));
    for (;;) {
      const { type } = await this.#inbox.next(id);
      if (type === MESSAGE.ok || type === MESSAGE.error) return;
    }
  }

  async #expect(id: number, type: number): Promise<Fields> {
    const frame = await this.#inbox.next(id);
    if (frame.type === MESSAGE.error) throw errorOf(new Fields(frame.payload));
    if (frame.type !== type)
      throw new ArcError('helper_protocol', `a frame of type ${frame.type} came instead of ${type}`);
    return new Fields(frame.payload);
  }

  async #call(type: number, path: string, more: readonly Field[] = []) {
    const done = await this.#turn();
    try {
      const id = this.#link.nextId();
      await this.#link.send(type, id, encodeFields([['path', path], ...more]));
      const items: Fields[] = [];
      for (;;) {
        const frame = await this.#inbox.next(id);
        const fields = new Fields(frame.payload);
        if (frame.type === MESSAGE.error) throw errorOf(fields);
        if (frame.type === MESSAGE.ok) return { fields, items };
        items.push(fields);
      }
    } finally {
      done();
    }
  }

  /** One call at a time; gives the function that lets the next one begin. */
  async #turn(): Promise<() => void> {
    const before = this.#last;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#last = promise;
    await before;
    return resolve;
  }
}
