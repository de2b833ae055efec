import { saveMemory } from './python.ts';

/** Run once, by the runtime, with nobody's program: makes what Python's workers start from. */
const [path = ''] = process.argv.slice(2);
await saveMemory(path);
