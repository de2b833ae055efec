import { workerData } from 'node:worker_threads';
import { shiftOwners } from './shift-owners.ts';

/** The other side of `layer-copies.ts`: one tree, then the end. */
const { root, ids } = workerData as Parameters<typeof shiftOwners>[0];
shiftOwners({ root, ids });
