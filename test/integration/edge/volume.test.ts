import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { createInterface } from 'node:readline';
import { it, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { startUpstream } from './harness.ts';

const GIB = 1024 ** 3;
const PIECE = Buffer.alloc(256 * 1024, 'arc');
/** How much more memory the edge may hold at any moment of the transfer than before it. */
const GROWTH_BYTES = 128 * 1024 ** 2;

async function startEdgeProcess(t: TestContext, upstreamPort: number) {
  const program = fileURLToPath(new URL('./volume-edge.ts', import.meta.url));
  const edge = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', program, String(upstreamPort)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.after(() => edge.kill('SIGKILL'));
  const [line] = await Promise.race([
    once(createInterface(edge.stdout), 'line'),
    once(edge, 'exit').then(() => Promise.reject(new Error('the edge ended before it listened'))),
  ]);
  const rss = () => Number(/VmRSS:\s+([0-9]+) kB/.exec(readFileSync(`/proc/${edge.pid}/status`, 'utf8'))?.[1]) * 1024;
  return { port: Number(line), rss };
}

it('1 GiB passes in each direction at once, whole, at constant memory', async (t) => {
  let taken = 0;
  const upstream = await startUpstream(t, '127.0.0.2', (request, response) => {
    request.on('data', (bytes: Buffer) => {
      taken += bytes.length;
    });
    let given = 0;
    const push = () => {
      while (given < GIB) {
        given += PIECE.length;
        if (!response.write(PIECE)) return;
      }
      response.off('drain', push);
      if (request.complete) response.end();
      else request.on('end', () => response.end());
    };
    response.writeHead(200);
    response.on('drain', push);
    push();
  });
  const edge = await startEdgeProcess(t, upstream.port);
  const before = edge.rss();
  let peak = before;
  const request = httpRequest({
    port: edge.port,
    method: 'POST',
    headers: { Host: 'sb-aaaa.localhost', 'Content-Length': GIB },
  });
  const answered = once(request, 'response') as Promise<[IncomingMessage]>;
  let sent = 0;
  const push = () => {
    while (sent < GIB) {
      sent += PIECE.length;
      if (!request.write(PIECE)) return;
    }
    request.off('drain', push);
    request.end();
  };
  request.on('drain', push);
  push();
  const [response] = await answered;
  let received = 0;
  let pieces = 0;
  for await (const bytes of response) {
    received += (bytes as Buffer).length;
    pieces += 1;
    if (pieces % 64 === 0) peak = Math.max(peak, edge.rss());
  }
  t.diagnostic(`edge: ${Math.round(before / 1024 ** 2)} MiB before, ${Math.round(peak / 1024 ** 2)} MiB at most`);
  assert.deepEqual([received, taken], [GIB, GIB]);
  assert.ok(peak - before < GROWTH_BYTES, `${peak - before} bytes more at the peak`);
});
