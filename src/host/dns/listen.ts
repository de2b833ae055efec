import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { createServer, type Server, type Socket as Stream } from 'node:net';
import { ArcError } from '../../contract/errors.ts';
import type { Clock } from '../../kit/clock.ts';
import { framed } from './upstream.ts';

/** Gives nothing where nobody is to be answered. */
export type Answerer = (message: Buffer, source: string, datagram: boolean) => Promise<Buffer | undefined>;

export interface Listening extends AsyncDisposable {
  readonly port: number;
}

/** Tries to get the same port for datagrams and connections. */
const TRIES_MAX = 16;
const STREAMS_MAX = 256;
const STREAM_MS = 10_000;
const QUERY_BYTES_MAX = 4096;

/**
 * A port that the kernel chooses, on every address: that of the gateway comes and goes with the sandboxes, and the rules lead
 * its port 53 here. They refuse everybody but sandboxes, and so does the answerer, by the source.
 */
export async function listen(clock: Clock, answer: Answerer): Promise<Listening> {
  for (let tries = 0; tries < TRIES_MAX; tries++) {
    const datagrams = createSocket('udp4');
    datagrams.bind(0, '0.0.0.0');
    await once(datagrams, 'listening');
    const { port } = datagrams.address();
    const streams = createServer();
    streams.listen(port, '0.0.0.0');
    const ok = await once(streams, 'listening').then(
      () => true,
      () => false,
    );
    if (!ok) {
      datagrams.close();
      continue;
    }
    serve(clock, datagrams, streams, answer);
    return { port, [Symbol.asyncDispose]: () => close(datagrams, streams) };
  }
  throw new ArcError('host_unfit', 'no port is free for the resolver of sandboxes');
}

function serve(clock: Clock, datagrams: Socket, streams: Server, answer: Answerer): void {
  datagrams.on('message', (message, from) => {
    answer(message, from.address, true).then(
      (reply) => reply && datagrams.send(reply, from.port, from.address, () => {}),
      () => {}, // it asks again
    );
  });
  datagrams.on('error', () => {}); // of one datagram that could not be sent
  streams.maxConnections = STREAMS_MAX;
  streams.on('connection', (stream) => serveStream(clock, stream, answer));
  datagrams.unref();
  streams.unref();
}

/** One question after the other, each answered before the next is looked at. */
function serveStream(clock: Clock, stream: Stream, answer: Answerer): void {
  const source = stream.remoteAddress ?? '';
  const cancel = clock.after(STREAM_MS, () => stream.destroy());
  stream.on('close', cancel);
  stream.on('error', () => stream.destroy());
  const work = async () => {
    let held = Buffer.alloc(0);
    for await (const data of stream) {
      held = Buffer.concat([held, data as Buffer]);
      while (held.length >= 2 && held.length >= 2 + held.readUInt16BE(0)) {
        const end = 2 + held.readUInt16BE(0);
        const reply = await answer(held.subarray(2, end), source, false);
        if (reply === undefined) return;
        stream.write(framed(reply));
        held = held.subarray(end);
      }
      if (held.length > QUERY_BYTES_MAX) return;
    }
  };
  work()
    .catch(() => {}) // the client is gone
    .finally(() => stream.destroy());
}

async function close(datagrams: Socket, streams: Server): Promise<void> {
  datagrams.close();
  await new Promise<void>((resolve) => streams.close(() => resolve()));
}
