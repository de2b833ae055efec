import { createServer } from 'node:http';

/** What stands for a sandbox in the bench: a small answer, at once. In its own process, as a sandbox is. */
const BODY = 'x'.repeat(Number(process.argv[3] ?? 120));
const server = createServer((_request, response) => {
  response.setHeader('Content-Type', 'text/plain');
  response.end(BODY);
});
server.keepAliveTimeout = 60_000;
server.listen({ host: process.argv[2] ?? '127.0.0.2', port: 0, backlog: 1024 }, () => {
  const address = server.address();
  if (address !== null && typeof address === 'object') console.log(String(address.port));
});
