import { type Facts, type Result, runCheck } from './check.ts';
import { certificateChecks } from './checks/certificate.ts';
import { cgroupChecks } from './checks/cgroups.ts';
import { clockChecks } from './checks/clock.ts';
import { kernelChecks } from './checks/kernel.ts';
import { limitChecks } from './checks/limits.ts';
import { machineChecks } from './checks/machines.ts';
import { networkChecks } from './checks/network.ts';
import { programChecks } from './checks/programs.ts';
import { serverChecks } from './checks/server.ts';
import { storageChecks } from './checks/storage.ts';
import { verifiedChecks } from './checks/verified.ts';
import { findOrphans, type Known, type OrphanReport, type OrphanSource, reap } from './orphans.ts';
import type { Probe } from './probe.ts';

export const CHECKS = [
  ...serverChecks,
  ...kernelChecks,
  ...cgroupChecks,
  ...programChecks,
  ...machineChecks,
  ...networkChecks,
  ...certificateChecks,
  ...limitChecks,
  ...storageChecks,
  ...clockChecks,
  ...verifiedChecks,
];

export interface DoctorDeps {
  readonly probe: Probe;
  readonly facts: Facts;
  readonly orphans?: {
    readonly source: OrphanSource;
    /** What belongs to somebody. Undefined when neither server nor helper could say: then nothing is called an orphan. */
    readonly known: () => Promise<Known | undefined>;
    /** Remove them, too. */
    readonly reap: boolean;
  };
}

export interface DoctorReport {
  readonly checks: readonly Result[];
  readonly orphans: readonly OrphanReport[];
  /** Said where orphans could not be looked for. */
  readonly orphansUnknown?: string;
  /** 1 when a check failed or an orphan could not be removed, else 0. */
  readonly exitCode: 0 | 1;
}

export async function runDoctor({ probe, facts, orphans }: DoctorDeps): Promise<DoctorReport> {
  const once = { ...facts, server: asOnce(facts.server), helper: asOnce(facts.helper) };
  const checks: readonly Result[] = await Promise.all(CHECKS.map((check) => runCheck(check, probe, once)));
  const found = orphans === undefined ? { orphans: [] } : await lookForOrphans(orphans);
  const failed =
    checks.some(({ status }) => status === 'fail') || found.orphans.some(({ outcome }) => outcome === 'failed');
  return { checks, ...found, exitCode: failed ? 1 : 0 };
}

/** Several checks ask the same; the answer of one moment serves all of them. */
function asOnce<T>(ask: () => Promise<T>): () => Promise<T> {
  let answer: Promise<T> | undefined;
  return () => {
    answer ??= ask();
    return answer;
  };
}

async function lookForOrphans(
  deps: NonNullable<DoctorDeps['orphans']>,
): Promise<Pick<DoctorReport, 'orphans' | 'orphansUnknown'>> {
  const orphans = await findOrphans(deps.source, deps.known);
  if (orphans === undefined) {
    return {
      orphans: [],
      orphansUnknown: 'neither server nor helper says what belongs to a sandbox; start one to look',
    };
  }
  if (deps.reap) return { orphans: await reap(orphans) };
  return { orphans: orphans.map(({ kind, name, proof }) => ({ kind, name, proof, outcome: 'left' })) };
}
