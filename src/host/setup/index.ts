export { type Finder, finder, findMissing } from './find.ts';
export { NEEDS, type Need } from './needs.ts';
export { realPolicyFile, rememberedIn } from './real.ts';
export { type SetupDeps, type SetupReport, setUp } from './setup.ts';
