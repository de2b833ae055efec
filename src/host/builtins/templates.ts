import type { Template } from '../../contract/schemas/template.ts';

/**
 * A first process that does nothing but be there for commands: it reaps what they leave behind (as pid 1 it must, or
 * zombies fill the pid limit) and goes at SIGTERM.
 */
const WAIT = ['/bin/bash', '-c', 'trap "exit 0" TERM INT; while :; do sleep infinity & wait; done'];

const ENV = {
  PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  HOME: '/root',
  LANG: 'C.UTF-8',
};

/** The templates that are there at once. Nothing in them is special: each could be added by anybody as a document. */
export function builtinTemplates(): Template[] {
  return [
    {
      name: 'shell',
      description: 'A shell with the usual tools of this machine',
      root: { builtin: 'shell' },
      command: [...WAIT],
      env: { ...ENV },
      cwd: '/root',
      ports: [8080],
      ready: 'none',
      memory: '64MiB',
    },
    {
      name: 'python',
      description: "This machine's Python 3 with its standard library",
      root: { builtin: 'python' },
      command: [...WAIT],
      env: { ...ENV, PYTHONUNBUFFERED: '1' },
      cwd: '/root',
      ports: [8080],
      ready: 'none',
      memory: '128MiB',
    },
    {
      name: 'node',
      description: "Arc's own Node.js, with npm where this machine has it",
      root: { builtin: 'node' },
      command: [...WAIT],
      env: { ...ENV, NODE_ENV: 'development', npm_config_update_notifier: 'false' },
      cwd: '/root',
      ports: [8080],
      ready: 'none',
      memory: '256MiB',
    },
    {
      name: 'host',
      description: "This machine's own programs, read-only, in a jail: the cheapest way to run one",
      root: { builtin: 'host' },
      command: ['/bin/sh', '-c', 'trap "exit 0" TERM INT; while :; do sleep 86400 & wait; done'],
      env: { ...ENV },
      cwd: '/root',
      ports: [8080],
      ready: 'none',
      memory: '64MiB',
      isolation: 'jail',
    },
    {
      name: 'whoami',
      description: 'A tiny web server that says who asked',
      root: { builtin: 'whoami' },
      command: ['/whoami'],
      user: '1000:1000',
      cwd: '/',
      ports: [8080],
      ready: { port: 8080, timeout: '10s' },
      memory: '16MiB',
      pids: 16,
      disk: '4MiB',
      diskKind: 'memory',
    },
    {
      name: 'vulnerable-notes',
      description: 'A web app with a command injection and a path traversal ON PURPOSE, to learn on',
      root: { builtin: 'vulnerable-notes' },
      command: ['/usr/bin/python3', '/app/app.py'],
      user: 'user',
      env: { ...ENV, HOME: '/home/user', PYTHONUNBUFFERED: '1' },
      cwd: '/app',
      ports: [8080],
      ready: { http: '/', timeout: '15s' },
      memory: '96MiB',
      pids: 64,
      disk: '32MiB',
      network: 'none',
      labels: { purpose: 'training' },
    },
  ];
}
