import { accessSync, existsSync, readdirSync, readFileSync, statfsSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import { networkInterfaces, release, totalmem } from 'node:os';
import { dirname } from 'node:path';
import { parseAddress } from '../../domain/network/cidr.ts';
import type { Clock } from '../../kit/clock.ts';
import { type Run, runProgram } from '../../kit/run.ts';
import { finder } from '../setup/find.ts';
import type { Probe, SpaceFacts } from './probe.ts';

/** Longest that a program which is only asked something may take, ms. */
const PROGRAM_TIMEOUT_MS = 10_000;

export interface RealProbeDeps {
  readonly clock: Clock;
  /** PATH, for finding programs and for those that are started. */
  readonly path: string;
  readonly uid: number;
  readonly run?: Run;
}

export function realProbe({ clock, path, uid, run = runProgram }: RealProbeDeps): Probe {
  const { find } = finder(path);
  return {
    readFile,
    exists: existsSync,
    stat: (file) => {
      const stat = statSync(file, { throwIfNoEntry: false });
      return stat && { mode: stat.mode, uid: stat.uid, isFolder: stat.isDirectory(), mtimeMs: stat.mtimeMs };
    },
    space,
    find,
    run: (argv, stdin) =>
      run(argv, {
        env: { PATH: path, LC_ALL: 'C' },
        timeoutMs: PROGRAM_TIMEOUT_MS,
        ...(stdin === undefined ? {} : { stdin }),
      }),
    listen,
    addresses: () =>
      Object.entries(networkInterfaces()).flatMap(([device, entries = []]) =>
        entries.flatMap(({ family, address }) => {
          const base = family === 'IPv4' ? parseAddress(address) : undefined;
          return base === undefined ? [] : [{ device, cidr: { base, bits: 32 } }];
        }),
      ),
    processes,
    machine: { kernel: release(), node: process.version, uid, memoryBytes: totalmem() },
    now: () => clock.now(),
  };
}

function readFile(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

function space(path: string): SpaceFacts | undefined {
  for (let folder = path; ; folder = dirname(folder)) {
    try {
      accessSync(folder);
    } catch {
      if (folder === dirname(folder)) return undefined;
      continue;
    }
    const { bavail, blocks, bsize, ffree, files } = statfsSync(folder);
    return { freeBytes: bavail * bsize, totalBytes: blocks * bsize, freeInodes: ffree, totalInodes: files };
  }
}

function listen(host: string, port: number): Promise<string> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', (error) => resolve('code' in error ? String(error.code) : error.message));
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve('free')));
  });
}

function processes(): ReturnType<Probe['processes']> {
  return readdirSync('/proc').flatMap((name) => {
    if (!/^[0-9]+$/.test(name)) return [];
    const line = readFile(`/proc/${name}/cmdline`) ?? '';
    return line === '' ? [] : [{ pid: Number(name), argv: line.split('\0').slice(0, -1) }];
  });
}
