import { Agent, createServer, request as httpRequest } from 'node:http';
import { addressOf, idOf, ROUTES } from './layout.ts';

/** The shortest proxy there is on node:http and its agent, to compare with: it forwards, and does nothing else. */
const [own, port] = process.argv.slice(2).map(Number);
const addresses = new Map(Array.from({ length: ROUTES }, (_, n) => [`${idOf(n)}.localhost`, addressOf(n)]));
const agent = new Agent({ keepAlive: true, maxFreeSockets: 256 });
const server = createServer((request, response) => {
  const { method, url, headers } = request;
  const host = addresses.get(headers.host ?? '') ?? '127.0.0.1';
  const upstream = httpRequest({ host, port, method, path: url, headers, agent }, (answer) => {
    response.writeHead(answer.statusCode ?? 502, answer.rawHeaders);
    answer.pipe(response);
  });
  upstream.on('error', () => response.destroy());
  request.pipe(upstream);
});
server.listen({ host: '127.0.0.1', port: own, backlog: 1024 });
