import { Agent, createServer, request as httpRequest } from 'node:http';

/** The shortest proxy there is on node:http and its agent, to compare with: it forwards, and does nothing else. */
const port = Number(process.argv[2]);
const agent = new Agent({ keepAlive: true, maxFreeSockets: 256 });
const server = createServer((request, response) => {
  const { method, url, headers } = request;
  const upstream = httpRequest({ host: '127.0.0.2', port, method, path: url, headers, agent }, (answer) => {
    response.writeHead(answer.statusCode ?? 502, answer.rawHeaders);
    answer.pipe(response);
  });
  upstream.on('error', () => response.destroy());
  request.pipe(upstream);
});
server.listen({ host: '127.0.0.1', port: 0, backlog: 1024 }, () => {
  const address = server.address();
  if (address !== null && typeof address === 'object') console.log(String(address.port));
});
