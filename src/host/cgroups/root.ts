import { instanceTag } from '../network/plan.ts';

/** Name of the folder that holds the sandboxes' cgroups in every hierarchy; each data folder has its own. */
export const cgroupRoot = (dataDir: string): string => `arc-${instanceTag(dataDir)}`;
