import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { FirecrackerRules } from './rules.ts';

/** Bodies that are larger are refused by Firecracker itself. */
const BODY_BYTES_MAX = 51_200;

/** The rules at a Unix socket, with the head of each request checked as well. @param heard each request, for a test */
export async function serveRules(
  rules: FirecrackerRules,
  socketPath: string,
  heard: (line: string) => void = () => {},
): Promise<Server> {
  let last: Promise<unknown> = Promise.resolve(); // it has one thread for them
  const server = createServer((request, response) => {
    const { method = '', url = '' } = request;
    heard(`${method} ${url}`);
    let text = '';
    request.setEncoding('utf8');
    request.on('data', (part: string) => {
      text += part;
    });
    request.on('end', () => {
      const tooLong = text.length > BODY_BYTES_MAX;
      const plain = method !== 'GET' && request.headers['content-type'] !== 'application/json';
      last = last.then(async () => {
        const refused = { status: 400, body: { fault_message: tooLong ? 'Payload too large.' : 'Not JSON.' } };
        const { status, body } = tooLong || plain ? refused : await rules.answer(method, url, text);
        const json = body === undefined ? undefined : JSON.stringify(body);
        response.writeHead(status, { server: 'Firecracker API', ...(json && { 'content-type': 'application/json' }) });
        response.end(json);
      });
    });
  });
  server.listen(socketPath);
  await once(server, 'listening');
  return server;
}
