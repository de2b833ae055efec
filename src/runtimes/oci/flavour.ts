import type { Limits, RootRef } from '../../contract/spec.ts';
import type { Level } from '../../contract/states.ts';
import type { OciConfig } from './config.ts';
import type { OciProcess } from './process.ts';
import type { SandboxFolder } from './sandbox-folder.ts';

/** What differs between the programs that the helper starts, as a value; everything else is shared. */
export interface Flavour {
  readonly name: 'crun' | 'runc' | 'runsc' | 'kata' | 'bwrap' | 'nsjail';
  readonly level: Level;
  /**
   * `paths`: the program joins the prepared namespaces by the paths in its config.
   * `entered`: it can't, and is started inside of them, as root of the user namespace. Its state belongs to that uid.
   */
  readonly joins: 'paths' | 'entered';
  /** `false` for gVisor, whose own kernel answers the calls; the list would be of the wrong kernel. */
  readonly seccomp: boolean;
  /** Where it puts the filter that it has compiled from the list, if it also takes one that is compiled already. */
  readonly compiledFilter?: (folder: SandboxFolder, id: string) => string;
  /** It would make a sealed copy of itself at every call, and begin anew from that: the helper keeps one, and runs that. */
  readonly sealed: boolean;
  /** `runtime`: it stays as the parent of the sandbox, and its exit code is the sandbox's. A detached exec never does. */
  readonly follow: 'pid-file' | 'runtime';
  /** Of a command: what is started for it stays, and its exit code is the command's. Default: it detaches. */
  readonly execFollow?: 'runtime';
  /** Process 1 inside is the runtime's own, and the program a later one: not shown among what runs. */
  readonly ownInit?: boolean;
  /** It would mount a file system of its own over an empty /tmp, where the files API does not see it. */
  readonly coversTmp?: boolean;
  /** What must be on the machine for it to be tried at all; without it the level is refused by these words. */
  readonly needs?: { readonly path: string; readonly why: string };
  /** Memory and tasks of the runtime itself inside the sandbox's cgroup, on top of what the template gives the program. */
  readonly overhead: { readonly memoryBytes: number; readonly pidsFactor: number; readonly pids: number };
  /** Below this nothing starts. */
  readonly memoryBytesMin: number;
  /** Where the root is seen from outside: in the mount namespace of the sandbox, or of its runtime. */
  readonly filesRoot: 'sandbox' | 'runtime';
  /** What it protects from; shown to people. */
  readonly protects: string;
  readonly note?: string;
  run(program: string, folder: SandboxFolder, id: string): readonly string[];
  exec(program: string, folder: SandboxFolder, id: string, exec: ExecFiles): readonly string[];
  /** For a program that does not read OCI documents, or not all of one: the same content in its own words. */
  readonly documents?: {
    start(config: OciConfig, at: DocumentOrder): string;
    command(process: OciProcess): string;
  };
  /** Where the host's signals, and perhaps its process list, are not the sandbox's: how the runtime is asked instead. */
  readonly asked?: {
    kill(program: string, folder: SandboxFolder, id: string, signal: string): readonly string[];
  };
  readonly guest?: {
    ps(program: string, folder: SandboxFolder, id: string): readonly string[];
    state(program: string, folder: SandboxFolder, id: string): readonly string[];
  };
}

/** What a document may need beside the OCI one. */
export interface DocumentOrder {
  readonly program: string;
  readonly folder: SandboxFolder;
  readonly root: RootRef;
  readonly limits: Limits;
}

export interface ExecFiles {
  readonly process: string;
  readonly pidFile: string;
  readonly console?: string;
}

/** Relative to the sandbox's folder, as the helper wants it. */
export function pidFileOf(flavour: Flavour): string {
  return flavour.joins === 'entered' ? 'state/pid' : 'runtime/pid';
}

export function stateRoot(flavour: Flavour, folder: SandboxFolder): string {
  return flavour.joins === 'entered' ? folder.state : folder.runtime;
}
