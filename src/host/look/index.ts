export { boxFaults } from './box-faults.ts';
export { outsideFaults } from './outside-faults.ts';
export { ruleFaults } from './rule-faults.ts';
export { SEEN_LEVELS, seeBox } from './see-box.ts';
export { availableBytes, type Counts, countsOf, folderUse, type Here, supplies } from './supplies.ts';
