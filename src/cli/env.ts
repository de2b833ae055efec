import type { Clock } from '../kit/clock.ts';
import type { NodeLook } from './bench/node-look.ts';

/** Runs one of the commands that set the machine up; they are composed in `main/` and know the implementations. */
export type HostCommand = (argv: readonly string[]) => Promise<number>;

export interface InputStream extends AsyncIterable<Uint8Array> {
  readonly isTTY?: boolean;
  setRawMode?(raw: boolean): unknown;
  destroy(): unknown;
}

export interface OutputStream {
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly rows?: number;
  write(data: string | Uint8Array, done: (error?: Error | null) => void): boolean;
  on(event: 'error' | 'resize', listener: () => void): unknown;
  off(event: 'error' | 'resize', listener: () => void): unknown;
}

export type SignalName = 'SIGINT' | 'SIGTERM' | 'SIGHUP' | 'SIGQUIT';

/** Everything a command takes from its process, so that it can run in a test as it runs for real. */
export interface CliEnv {
  readonly stdin: InputStream;
  readonly stdout: OutputStream;
  readonly stderr: OutputStream;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  readonly home: string;
  readonly uid: number;
  readonly version: string;
  readonly clock: Clock;
  /** Takes a signal over until the returned function is called. */
  onSignal(signal: SignalName, listener: () => void): () => void;
  /** Of the server with this data folder; undefined where this process may not look, or it does not run here. */
  readonly nodeLook?: (dataDir: string) => Promise<NodeLook | undefined>;
  readonly up?: HostCommand;
  readonly down?: HostCommand;
  readonly doctor?: HostCommand;
  readonly kit?: HostCommand;
  readonly dev?: HostCommand;
}
