import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { addressOf, idOf, octetsOf, ROUTES } from './layout.ts';

/**
 * The same work for nginx, HAProxy and Caddy of Debian: 10,000 host names, each with an upstream and kept connections
 * of its own, one worker, no access log, and the forwarding fields that the edge adds.
 */
export interface Peer {
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** The Host value of the nth sandbox. */
  readonly host: (n: number) => string;
}

const all = (line: (n: number) => string): string => Array.from({ length: ROUTES }, (_, n) => line(n)).join('\n');
const host = (n: number): string => `${idOf(n)}.localhost`;

/** Answers every request at once with a small body, on every loopback address: what stands for the sandboxes. */
export function upstream(folder: string, port: number): Peer {
  return nginxOf(
    folder,
    `server {
      listen 0.0.0.0:${port} backlog=4096 reuseport;
      location / { default_type text/plain; return 200 "${'x'.repeat(120)}"; }
    }`,
  );
}

export function nginx(folder: string, port: number, upstreamPort: number): Peer {
  return nginxOf(
    folder,
    `map_hash_max_size 65536; map_hash_bucket_size 128;
    map $host $sandbox { hostnames; default ""; ${all((n) => `${host(n)} u${n};`)} }
    ${all((n) => `upstream u${n} { server ${addressOf(n)}:${upstreamPort}; keepalive 16; }`)}
    server {
      listen 127.0.0.1:${port} backlog=4096;
      location / {
        proxy_pass http://$sandbox;
        proxy_http_version 1.1;
        proxy_set_header Connection "";
        proxy_set_header Host $http_host;
        proxy_set_header X-Forwarded-For $remote_addr;
        proxy_set_header X-Forwarded-Host $http_host;
        proxy_set_header X-Forwarded-Proto http;
        proxy_set_header X-Forwarded-Port 80;
      }
    }`,
  );
}

function nginxOf(folder: string, http: string): Peer {
  mkdirSync(folder, { recursive: true });
  const file = join(folder, 'nginx.conf');
  writeFileSync(
    file,
    `worker_processes 1; pid ${folder}/pid; error_log ${folder}/error.log; daemon off; user root;
    events { worker_connections 8192; }
    http {
      access_log off; keepalive_requests 100000000; tcp_nodelay on;
      client_body_temp_path ${folder}/b; proxy_temp_path ${folder}/p; fastcgi_temp_path ${folder}/f;
      uwsgi_temp_path ${folder}/u; scgi_temp_path ${folder}/s;
      ${http}
    }`,
  );
  return { argv: ['nginx', '-e', join(folder, 'error.log'), '-c', file], env: {}, host };
}

export function haproxy(folder: string, port: number, upstreamPort: number): Peer {
  mkdirSync(folder, { recursive: true });
  const map = join(folder, 'hosts.map');
  const file = join(folder, 'haproxy.cfg');
  writeFileSync(
    map,
    all((n) => `${host(n)} u${n}`),
  );
  writeFileSync(
    file,
    `global
  nbthread 1
  maxconn 8192
defaults
  mode http
  timeout client 60s
  timeout server 60s
  timeout connect 5s
  option http-keep-alive
  http-reuse always
frontend edge
  bind 127.0.0.1:${port} backlog 4096
  option forwardfor
  http-request set-header X-Forwarded-Host %[req.hdr(host)]
  http-request set-header X-Forwarded-Proto http
  http-request set-header X-Forwarded-Port 80
  use_backend %[req.hdr(host),lower,map(${map})]
${all((n) => `backend u${n}\n  server s ${addressOf(n)}:${upstreamPort}`)}
`,
  );
  return { argv: ['haproxy', '-db', '-q', '-f', file], env: {}, host };
}

/**
 * Caddy looks through a list of routes one by one, so 10,000 of them would measure just that. It gets the shortest form
 * there is instead: one route whose upstream is made of the labels of the host name.
 */
export function caddy(folder: string, port: number, upstreamPort: number): Peer {
  mkdirSync(folder, { recursive: true });
  const file = join(folder, 'caddy.json');
  const dial = `127.0.{http.request.host.labels.2}.{http.request.host.labels.3}:${upstreamPort}`;
  const server = {
    listen: [`127.0.0.1:${port}`],
    automatic_https: { disable: true },
    routes: [
      {
        match: [{ host: ['*.*.sb.localhost'] }],
        handle: [{ handler: 'reverse_proxy', upstreams: [{ dial }] }],
      },
    ],
  };
  writeFileSync(
    file,
    JSON.stringify({
      admin: { disabled: true, config: { persist: false } },
      logging: { logs: { default: { level: 'ERROR' } } },
      apps: { http: { servers: { edge: server } } },
    }),
  );
  const env = { GOMAXPROCS: '1', XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder, HOME: folder };
  return {
    argv: ['caddy', 'run', '--config', file],
    env,
    host: (n) => `${octetsOf(n)[1]}.${octetsOf(n)[0]}.sb.localhost`,
  };
}
