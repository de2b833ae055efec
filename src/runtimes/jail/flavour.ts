import { constants } from 'node:os';
import type { RootRef } from '../../contract/spec.ts';
import type { Flavour } from '../oci/flavour.ts';
import type { Seccomp } from '../oci/seccomp.ts';
import { compileFilter } from './bpf.ts';
import { processDocument, socketOf, startDocument } from './documents.ts';
import { hostPaths } from './host-root.ts';
import type { Jailer } from './jailer.ts';
import { masksOf } from './masks.ts';

const MIB = 1024 * 1024;
/** The jailer that stays as the parent, the first process, and a client for each of some commands at once. */
const OVERHEAD = { memoryBytes: 2 * MIB, pidsFactor: 1, pids: 18 };

const PROTECTS =
  'shares the kernel of this machine: own namespaces and user ids, no capabilities, a list of allowed system calls; made by a small program instead of a container engine';

/**
 * A jail as a flavour of the runtime that is driven through the node helper: start, adoption, files, logs and limits are
 * the same code as a container's; only the documents and the program differ.
 * @param kit absolute path of `arc-jail`
 * @param arch Node's name of the processor architecture
 */
export function jailFlavour(jailer: Jailer, kit: string, arch: string): Flavour {
  const masked = masksOf();
  const filters = new Map<string, Buffer>(); // there are as many as there are sets of capabilities that matter
  const compiled = (list: Seccomp): Buffer => {
    const key = JSON.stringify(list);
    const filter = filters.get(key) ?? compileFilter(list, arch);
    filters.set(key, filter);
    return filter;
  };
  return {
    name: jailer.name,
    level: 'jail',
    joins: 'paths',
    seccomp: true,
    sealed: false,
    follow: 'runtime',
    execFollow: 'runtime',
    ownInit: true,
    overhead: OVERHEAD,
    memoryBytesMin: 2 * MIB,
    filesRoot: 'runtime',
    protects: PROTECTS,
    run: (_program, folder) => [kit, 'start', folder.config],
    exec: (_program, folder, _id, files) => [
      kit,
      'exec',
      socketOf(folder),
      files.process,
      files.pidFile,
      ...(files.console === undefined ? [] : [files.console]),
    ],
    asked: {
      kill: (_program, folder, _id, signal) => [kit, 'kill', socketOf(folder), String(signalNumber(signal))],
    },
    documents: {
      start: (oci, { program, folder, root }) => {
        if (oci.linux.seccomp === undefined) throw new Error('a jail is never made without a filter of system calls');
        const filter = compiled(oci.linux.seccomp);
        const host = showsHost(root) ? hostPaths() : [];
        const argv = jailer.argv({ oci, program, namespaces: 'joined', masked, host });
        return startDocument(oci.process, folder, argv, filter);
      },
      command: processDocument,
    },
  };
}

function showsHost(root: RootRef): boolean {
  return root.kind === 'builtin' && root.name === 'host';
}

function signalNumber(name: string): number {
  const number = constants.signals[name as NodeJS.Signals];
  if (number === undefined) throw new Error(`there is no signal ${name}`);
  return number;
}
