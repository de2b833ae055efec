import { join } from 'node:path';
import { type Check, fail, ok, warn } from '../check.ts';

/** Arc was not written before this: a clock that says so is wrong. */
const EARLIEST_MS = Date.UTC(2026, 0, 1);
/** How much later than now a file of ours may seem written. */
const TOLERANCE_MS = 60_000;

/** Programs that keep a clock right. */
const KEEPERS = [
  'chronyd',
  'ntpd',
  'ntpd-rs',
  'systemd-timesyncd',
  'openntpd',
  'ptp4l',
  'phc2sys',
  'VBoxService',
  'vmtoolsd',
];

export const clockChecks: readonly Check[] = [
  {
    id: 'clock.sane',
    title: 'Clock',
    cost: 'times shown to people are wrong, and certificates of registries are refused; deadlines are kept all the same',
    fix: 'Set the clock.',
    look: (probe, { dataDir }) => {
      const now = probe.now();
      const shown = new Date(now).toISOString();
      if (now < EARLIEST_MS) return fail(shown);
      const written = ['lock.db', 'arc.db', 'arc.db-wal', 'setup.json'].map(
        (name) => probe.stat(join(dataDir, name))?.mtimeMs ?? 0,
      );
      const newest = Math.max(...written);
      if (newest <= now + TOLERANCE_MS) return ok(shown);
      return warn(`${shown}, and a file of Arc was written at ${new Date(newest).toISOString()}`);
    },
  },
  {
    id: 'clock.kept',
    title: 'Clock is kept right',
    cost: 'the clock drifts: times shown to people become wrong',
    fix: 'Install chrony, or turn systemd-timesyncd on.',
    look: (probe) => {
      if (probe.exists('/run/systemd/timesync/synchronized')) return ok('systemd-timesyncd, in step');
      if (probe.exists('/dev/ptp0') && probe.exists('/dev/ptp_kvm')) return ok("the machine's own, by its hypervisor");
      const keeper = probe.processes().map(({ argv }) => argv[0]?.split('/').at(-1) ?? '');
      const found = keeper.find((name) => KEEPERS.includes(name));
      return found === undefined ? warn('no program that does so is running') : ok(found);
    },
  },
];
