import type { Readable, Writable } from 'node:stream';
import type { Exit } from '../../contract/spec.ts';

/** A program that this process itself holds, where there is no helper that outlives it. */
export interface HeldProgram {
  readonly stdin: Writable;
  readonly stdout: Readable;
  readonly stderr: Readable;
  /** Settles once it is over; never rejects. */
  readonly ended: Promise<Omit<Exit, 'at'>>;
  /** What no program can go on after, is sent as SIGKILL and told by this name. */
  kill(signal: string): void;
  usage(): Promise<{ readonly cpuMs: number; readonly memoryBytes: number }>;
}
