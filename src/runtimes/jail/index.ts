export { bwrap } from './bwrap.ts';
export { jailFlavour } from './flavour.ts';
export type { Jailer } from './jailer.ts';
