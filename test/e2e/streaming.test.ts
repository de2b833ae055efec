import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { request } from 'node:http';
import { after, before, test } from 'node:test';
import { type LaunchedArc, launchArc } from './lib/launch.ts';

/** Python's http.server in a sandbox, 1 GiB down and 1 GiB up through the edge, at constant memory on every side. */
const GIB = 1024 ** 3;
/** Buffers wait for the collector, more of them on a busy machine; what is buffered whole would be ten times this. */
const SERVER_GROWTH_MAX_BYTES = 192 * 1024 ** 2;
const SERVER = `
import http.server
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    def do_GET(self):
        self.send_response(200); self.send_header('content-length', str(1 << 30)); self.end_headers()
        block = b'x' * (1 << 20)
        for _ in range(1024): self.wfile.write(block)
    def do_PUT(self):
        left = int(self.headers['content-length']); total = left
        while left: left -= len(self.rfile.read(min(left, 1 << 20)))
        body = str(total).encode()
        self.send_response(200); self.send_header('content-length', str(len(body))); self.end_headers(); self.wfile.write(body)
    def log_message(self, *args): pass
http.server.ThreadingHTTPServer(('', 8000), Handler).serve_forever()
`;

let arc: LaunchedArc;
before(async () => {
  arc = await launchArc({ octet: 202 });
});
after(async () => {
  await arc[Symbol.asyncDispose]();
});

test('1 GiB goes down and up through the edge while the memory of the server stays flat', async () => {
  await using sandbox = await arc.client.sandboxes.create({ template: 'python', command: ['python3', '-c', SERVER] });
  const url = `${arc.edge}/_sb/8000-${sandbox.id}/`;
  await answers(url);
  const before = await residentBytes(arc.pid);
  let most = before;
  const watch = setInterval(async () => {
    most = Math.max(most, await residentBytes(arc.pid).catch(() => 0));
  }, 50);
  try {
    assert.equal(await download(url), GIB);
    assert.equal(await upload(url), String(GIB));
  } finally {
    clearInterval(watch);
  }
  assert.ok(most - before < SERVER_GROWTH_MAX_BYTES, `grew by ${Math.round((most - before) / 1024 ** 2)} MiB`);
});

async function answers(url: string): Promise<void> {
  for (let tries = 0; tries < 200; tries++) {
    const ok = await new Promise<boolean>((resolve) => {
      const sent = request(url, { agent: false }, (response) => {
        response.destroy();
        resolve(response.statusCode === 200);
      });
      sent.on('error', () => resolve(false));
      sent.end();
    });
    if (ok) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`${url} never answered`);
}

async function residentBytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1] ?? 0) * 1024;
}

function download(url: string): Promise<number> {
  return new Promise((resolve, reject) => {
    request(url, { agent: false }, (response) => {
      let total = 0;
      response.on('data', (chunk: Buffer) => {
        total += chunk.length;
      });
      response.on('end', () => resolve(total));
      response.on('error', reject);
    })
      .on('error', reject)
      .end();
  });
}

function upload(url: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-length': GIB };
    const sent = request(url, { agent: false, method: 'PUT', headers }, (response) => {
      let body = '';
      response.on('data', (chunk: Buffer) => {
        body += chunk.toString();
      });
      response.on('end', () => resolve(body));
      response.on('error', reject);
    });
    sent.on('error', reject);
    const block = Buffer.alloc(1024 ** 2, 'y');
    let left = 1024;
    const more = (): void => {
      while (left > 0) {
        left -= 1;
        if (!sent.write(block)) {
          sent.once('drain', more);
          return;
        }
      }
      sent.end();
    };
    more();
  });
}
