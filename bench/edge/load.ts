import { connect } from 'node:net';

/** One run of clients that each send the next request when the last is answered. Plain sockets: it must cost less than what it measures. */
export interface Load {
  readonly host: string;
  readonly port: number;
  readonly hostHeader: string;
  readonly clients: number;
  readonly durationMs: number;
}

export interface Measured {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly errors: number;
}

export async function run(load: Load): Promise<Measured> {
  const request = `GET / HTTP/1.1\r\nHost: ${load.hostHeader}\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n`;
  const took: number[] = [];
  let errors = 0;
  const start = performance.now();
  const end = start + load.durationMs;
  const client = () =>
    new Promise<void>((done) => {
      const socket = connect({ host: load.host, port: load.port, noDelay: true });
      let sentAt = 0;
      let held = 0;
      let size = 0;
      const send = () => {
        sentAt = performance.now();
        socket.write(request, 'latin1');
      };
      socket.on('connect', send);
      socket.on('data', (bytes) => {
        if (size === 0) size = responseSize(bytes.toString('latin1'));
        held += bytes.length;
        if (size === 0 || held < size) return;
        const now = performance.now();
        took.push(now - sentAt);
        held = 0;
        if (now >= end) socket.destroy();
        else send();
      });
      socket.on('error', () => {
        errors += 1;
      });
      socket.on('close', () => done());
    });
  await Promise.all(Array.from({ length: load.clients }, client));
  took.sort((a, b) => a - b);
  const at = (share: number) => took[Math.min(took.length - 1, Math.floor(took.length * share))] ?? Number.NaN;
  return { perSecond: (took.length / (performance.now() - start)) * 1_000, p50Ms: at(0.5), p99Ms: at(0.99), errors };
}

/** All answers of one run are alike, so the size of the first is that of each. */
function responseSize(text: string): number {
  const head = text.indexOf('\r\n\r\n');
  const length = /content-length: ([0-9]+)/i.exec(text)?.[1];
  if (!text.startsWith('HTTP/1.1 200') || head < 0 || length === undefined) return 0;
  return head + 4 + Number(length);
}
