import type { Lacks } from './runtime.ts';

/** As a report of the level says it. */
export function lacksInWords(lacks: Lacks): readonly string[] {
  return Object.entries(lacks).map(([what, why]) => `${what}: ${why}`);
}

/** The same of every runtime whose processes are the kernel's. */
export const NO_CHECKPOINT: Lacks = {
  checkpoint: 'a process can not be written to a file and started again from it',
};
