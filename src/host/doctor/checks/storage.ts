import { dirname } from 'node:path';
import { type Check, fail, ok, warn } from '../check.ts';
import { mountOf, type Probe } from '../probe.ts';

const GIB = 1024 ** 3;
/** Below this the database could not be written for long. */
const LEAST_FREE_BYTES = GIB / 4;
const GOOD_FREE_BYTES = 2 * GIB;
const LEAST_FREE_INODES = 10_000;

/** SQLite's locks and the kernel's overlays want a local file system. */
const NETWORK_FILE_SYSTEMS = /^(nfs4?|cifs|smb3|9p|ceph|glusterfs|fuse(\..*)?|virtiofs)$/;
const GOOD_FILE_SYSTEMS = new Set(['ext4', 'xfs', 'btrfs']);

export const storageChecks: readonly Check[] = [
  {
    id: 'storage.space',
    title: 'Free space',
    cost: 'images can not be pulled, sandboxes can not be started, logs are dropped',
    fix: 'Free some space, run `arc template prune`, or move the data folder with --data-dir.',
    look: (probe, { dataDir }) => {
      const space = probe.space(dataDir);
      if (space === undefined) return fail(`${dataDir} can not be looked at`);
      const found = `${(space.freeBytes / GIB).toFixed(1)} GiB of ${(space.totalBytes / GIB).toFixed(1)} GiB`;
      if (space.freeBytes < LEAST_FREE_BYTES) return fail(found);
      return space.freeBytes < GOOD_FREE_BYTES ? warn(found) : ok(found);
    },
  },
  {
    id: 'storage.inodes',
    title: 'Free inodes',
    cost: 'no new file can be made although there is space',
    fix: 'Remove small files, or move the data folder to a file system with more inodes.',
    look: (probe, { dataDir }) => {
      const space = probe.space(dataDir);
      if (space === undefined) return fail(`${dataDir} can not be looked at`);
      if (space.totalInodes === 0) return ok('made as they are needed');
      const found = `${space.freeInodes} of ${space.totalInodes}`;
      return space.freeInodes < LEAST_FREE_INODES ? fail(found) : ok(found);
    },
  },
  {
    id: 'storage.file-system',
    title: 'File system of the data folder',
    cost: 'layers may have to be copied instead of shared',
    fix: 'Keep the data folder on ext4, xfs or btrfs.',
    look: (probe, { dataDir }) => {
      const mount = mountOf(probe, dataDir);
      if (mount === undefined) return warn('its mount is not to be found');
      const found = `${mount.type} at ${mount.point}`;
      if (NETWORK_FILE_SYSTEMS.test(mount.type)) {
        return fail(found, { cost: 'the database could be damaged, as such file systems do not lock well' });
      }
      const barred = ['noexec', 'ro'].find((option) => mount.options.includes(option));
      if (barred !== undefined) {
        return fail(`${found} is mounted ${barred}`, { cost: 'no program of a sandbox could run from there' });
      }
      return GOOD_FILE_SYSTEMS.has(mount.type) ? ok(found) : warn(found);
    },
  },
  {
    id: 'storage.permissions',
    title: 'Permissions of the data folder',
    cost: "sandboxes can not start: their users could not pass through to their root, or others' users could change it",
    fix: 'chmod o+x each folder named, and chmod go-w the data folder; it should be 0711 and belong to who runs Arc.',
    look: (probe, { dataDir }) => {
      const folders = [...parents(dataDir)].filter((folder) => probe.exists(folder));
      const closed = folders.filter((folder) => ((probe.stat(folder)?.mode ?? 0) & 0o001) === 0);
      if (closed.length > 0) return fail(`not passable for others: ${closed.join(', ')}`);
      return lookAtOwner(probe, dataDir);
    },
  },
];

function lookAtOwner(probe: Probe, dataDir: string) {
  const folder = probe.stat(dataDir);
  if (folder === undefined) return ok('not made yet');
  if (!folder.isFolder) return fail(`${dataDir} is not a folder`);
  if (folder.uid !== probe.machine.uid) return fail(`belongs to user ${folder.uid}, and this is ${probe.machine.uid}`);
  const mode = (folder.mode & 0o7777).toString(8).padStart(4, '0');
  return (folder.mode & 0o022) === 0 ? ok(mode) : fail(`${mode}: others can write to it`);
}

function* parents(path: string): Generator<string> {
  for (let folder = path; ; folder = dirname(folder)) {
    yield folder;
    if (folder === dirname(folder)) return;
  }
}
