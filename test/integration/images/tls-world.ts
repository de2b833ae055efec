/**
 * Runs in a network namespace of its own, started by `tls-registry.test.ts`: a registry with TLS at an address that is no
 * loopback one, and a pull from it. Prints what came of the pull as one line of JSON. Arguments: a folder with
 * `registry.pem` and `registry.key`, and the address.
 */
import { join } from 'node:path';
import { asArcError } from '../../../src/contract/errors.ts';
import { createImages } from '../../../src/host/images.ts';
import { silentLogger } from '../../../src/kit/logger.ts';
import { realClock } from '../../../src/kit/real.ts';
import { image, push, run, startRegistry, tar, tempDir, writeLayout } from './kit.ts';

const [, , dir = '', address = ''] = process.argv;
await run('ip', ['link', 'set', 'lo', 'up']);
await run('ip', ['addr', 'add', `${address}/32`, 'dev', 'lo']);
const tls = { address, certificate: join(dir, 'registry.pem'), key: join(dir, 'registry.key') };
await using data = await tempDir();
await using registry = await startRegistry(join(data.path, 'registry'), undefined, tls);
const made = image([{ packing: 'gzip', tar: await tar([{ name: 'hello', body: 'hello' }]) }]);
await writeLayout(join(data.path, 'layout'), made);
await push(join(data.path, 'layout'), `${registry.host}/hello:1`);
const images = createImages({ dataDir: join(data.path, 'arc'), logger: silentLogger, clock: realClock });
const outcome = await images.pull({ image: `${registry.host}/hello:1`, signal: new AbortController().signal }).then(
  ({ digest }) => ({ pulled: digest === made.manifest.digest }),
  (error: unknown) => {
    const { code, message, hint } = asArcError(error);
    return { code, message, hint };
  },
);
console.log(JSON.stringify(outcome));
