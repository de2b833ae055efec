import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pack } from 'tar-stream';
import { untilTrue } from '../lib/wait.ts';

/**
 * Docker Engine (Debian's `docker.io`) with its own data folder and socket, started and stopped by the bench, spoken to
 * through its API, so that no command line of Docker's is in the figures. Its iptables rules are switched off and its
 * bridge has an address range of its own: what is measured is the engine, and nothing is left on the machine.
 */
export interface DockerPeer extends AsyncDisposable {
  readonly version: string;
  /** For Docker's own command line, `docker -H ADDRESS`. */
  readonly address: string;
  /** An image with these files as its only layer. */
  importImage(name: string, files: readonly { path: string; mode: number; data: Buffer }[]): Promise<void>;
  /** Create and start; gives the container's id and address. */
  run(image: string, command: readonly string[]): Promise<{ id: string; address: string }>;
  /** `docker run --rm` of a program that ends: ms from the create until the container is gone. */
  runToEnd(image: string, command: readonly string[]): Promise<number>;
  /** Runs a command in a container that runs, to its end. */
  exec(id: string, command: readonly string[]): Promise<void>;
  remove(id: string): Promise<void>;
}

const START_TIMEOUT_MS = 30_000;

export async function startDocker(bip = '10.210.0.1/16'): Promise<DockerPeer> {
  const dir = await mkdtemp(join(tmpdir(), 'arc-bench-docker-'));
  const socket = join(dir, 'sock');
  const flags = ['--data-root', join(dir, 'data'), '--exec-root', join(dir, 'exec'), '--pidfile', join(dir, 'pid')];
  const daemon = spawn(
    'dockerd',
    [...flags, '-H', `unix://${socket}`, '--iptables=false', '--ip6tables=false', '--ip-masq=false', '--bip', bip],
    { stdio: 'ignore' },
  );
  const call = apiCaller(socket);
  await untilTrue('dockerd answers', START_TIMEOUT_MS, async () => {
    try {
      return (await call('GET', '/_ping')).status === 200;
    } catch {
      return false;
    }
  });
  const info = JSON.parse((await call('GET', '/version')).body.toString()) as { Version: string };

  return {
    version: info.Version,
    address: `unix://${socket}`,
    async importImage(name, files) {
      const tar = pack();
      for (const file of files) tar.entry({ name: file.path, mode: file.mode }, file.data);
      tar.finalize();
      const chunks: Buffer[] = [];
      for await (const chunk of tar) chunks.push(Buffer.from(chunk as Uint8Array));
      const answer = await call('POST', `/images/create?fromSrc=-&repo=${name}`, Buffer.concat(chunks));
      if (answer.status !== 200) throw new Error(`docker import: ${answer.body.toString()}`);
    },
    async run(image, command) {
      const body = { Image: image, Cmd: command, HostConfig: { Memory: 16 * 1024 ** 2, PidsLimit: 64 } };
      const created = await call('POST', '/containers/create', Buffer.from(JSON.stringify(body)));
      const { Id: id } = JSON.parse(created.body.toString()) as { Id: string };
      if (created.status !== 201) throw new Error(`docker create: ${created.body.toString()}`);
      const started = await call('POST', `/containers/${id}/start`);
      if (started.status !== 204) throw new Error(`docker start: ${started.body.toString()}`);
      const inspected = await call('GET', `/containers/${id}/json`);
      const detail = JSON.parse(inspected.body.toString()) as { NetworkSettings: { IPAddress: string } };
      return { id, address: detail.NetworkSettings.IPAddress };
    },
    async runToEnd(image, command) {
      const began = performance.now();
      const limits = { Memory: 16 * 1024 ** 2, PidsLimit: 64, AutoRemove: true };
      const body = { Image: image, Cmd: command, HostConfig: limits };
      const created = await call('POST', '/containers/create', Buffer.from(JSON.stringify(body)));
      const { Id: id } = JSON.parse(created.body.toString()) as { Id: string };
      const gone = call('POST', `/containers/${id}/wait?condition=removed`);
      const started = await call('POST', `/containers/${id}/start`);
      if (started.status !== 204) throw new Error(`docker start: ${started.body.toString()}`);
      await gone;
      return performance.now() - began;
    },
    async exec(id, command) {
      const body = { Cmd: command, AttachStdout: true, AttachStderr: true };
      const created = await call('POST', `/containers/${id}/exec`, Buffer.from(JSON.stringify(body)));
      const { Id: exec } = JSON.parse(created.body.toString()) as { Id: string };
      // Answers when the command's output is over.
      await call('POST', `/exec/${exec}/start`, Buffer.from('{"Detach":false,"Tty":false}'));
      const ended = await call('GET', `/exec/${exec}/json`);
      if ((JSON.parse(ended.body.toString()) as { Running: boolean }).Running)
        throw new Error(`docker exec ${exec} goes on`);
    },
    async remove(id) {
      await call('DELETE', `/containers/${id}?force=true`);
    },
    async [Symbol.asyncDispose]() {
      await stopDaemon(daemon, join(dir, 'pid'));
      await runToEnd('ip', ['link', 'delete', 'docker0']);
      await rm(dir, { recursive: true, force: true });
    },
  };
}

async function stopDaemon(daemon: ChildProcess, pidFile: string): Promise<void> {
  const pid = Number(await readFile(pidFile, 'utf8').catch(() => '0'));
  if (pid > 0 && daemon.exitCode === null) process.kill(pid, 'SIGTERM');
  await untilTrue(
    'dockerd is gone',
    START_TIMEOUT_MS,
    async () => daemon.exitCode !== null || daemon.signalCode !== null,
  );
}

function runToEnd(program: string, args: readonly string[]): Promise<void> {
  return new Promise((resolve) => {
    const child = spawn(program, args, { stdio: 'ignore' });
    child.on('error', () => resolve());
    child.on('exit', () => resolve());
  });
}

type Answer = { readonly status: number; readonly body: Buffer };

function apiCaller(socketPath: string) {
  return (method: string, path: string, body?: Buffer): Promise<Answer> =>
    new Promise((resolve, reject) => {
      const isJson = body !== undefined && /^\/(containers|exec)\//.test(path);
      const headers = { 'content-type': isJson ? 'application/json' : 'application/x-tar' };
      const sent = request({ socketPath, method, path, headers }, (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('end', () => resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks) }));
        response.on('error', reject);
      });
      sent.on('error', reject);
      sent.end(body);
    });
}
