import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { access, constants, mkdir, readdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { ArcError } from '../../contract/errors.ts';
import { removeTree } from '../../kit/remove-tree.ts';
import { runProgram } from '../../kit/run.ts';
import { writeGuide } from '../guide/write.ts';

const ROOT = join(import.meta.dirname, '../../..');
/** Everything that the build's result depends on. */
const SOURCES = [
  ...['src/console', 'src/main/console', 'src/main/guide', 'src/sdk', 'src/contract', 'docs'],
  ...['package-lock.json', 'README.md', 'ARCHITECTURE.md', 'SECURITY.md', 'CONTRIBUTING.md', 'CHANGELOG.md'],
];
/** Beside the packages, for all who use this copy of Arc. */
const SHARED = join(ROOT, 'node_modules/.cache/arc-console');
/** A slow and busy machine takes its time; a build that hangs is given up. */
const BUILD_MS_MAX = 180_000;
/** Builds of other versions that are kept: a colleague's, or the one before an update. */
const KEEP_MAX = 4;

/** The folder of the built console, with the guides beside it. What was built from the same sources is there already; else it is built now, in about 2 s. */
export async function builtConsole(dataDir?: string): Promise<string> {
  const name = hashOfSources();
  const shared = join(SHARED, name);
  if (existsSync(join(shared, 'index.html'))) return shared;
  const cache = await cacheIn(dataDir);
  const folder = join(cache, name);
  if (existsSync(join(folder, 'index.html'))) return folder;
  const unfinished = `${folder}.${process.pid}`;
  const vite = join(ROOT, 'node_modules/vite/bin/vite.js');
  const config = join(import.meta.dirname, 'vite.config.ts');
  const argv = [
    process.execPath,
    vite,
    'build',
    '--config',
    config,
    '--configLoader',
    'native',
    '--outDir',
    unfinished,
  ];
  const { code, stdout, stderr, notStarted } = await runProgram(argv, {
    // Its packages look for settings at home: a user without an entry and a HOME has none, and nobody's are wanted.
    env: { PATH: process.env.PATH ?? '/usr/bin:/bin', HOME: cache, NO_COLOR: '1', NODE_ENV: 'production' },
    timeoutMs: BUILD_MS_MAX,
  });
  try {
    if (code !== 0) {
      throw new ArcError('unavailable', `the console could not be built: ${lastLines(notStarted ?? stdout + stderr)}`, {
        hint: 'The API works all the same. Run `npm ci` where the packages are incomplete, then start Arc again.',
      });
    }
    await writeGuide(join(unfinished, 'guide'));
    // Whoever is first has made the same as we have.
    await rename(unfinished, folder).catch((error) => {
      if (!existsSync(join(folder, 'index.html'))) throw error;
    });
  } finally {
    await removeTree(unfinished, cache);
  }
  await forgetOld(folder, cache);
  return folder;
}

/** Over names and content, so that nothing that was changed is ever served from an old build. */
function hashOfSources(): string {
  const hash = createHash('sha256').update(process.version);
  for (const source of SOURCES) {
    const path = join(ROOT, source);
    const entries = source.includes('.') ? [''] : readdirSync(path, { recursive: true, encoding: 'utf8' }).sort();
    for (const entry of entries) {
      if (entry !== '' && !/\.[a-z]+$/.test(entry)) continue;
      hash.update(`\0${source}/${entry}\0`).update(readFileSync(join(path, entry)));
    }
  }
  return hash.digest('hex').slice(0, 32);
}

/** The data folder, where Arc was installed by somebody else and may only be read. */
async function cacheIn(dataDir: string | undefined): Promise<string> {
  try {
    await mkdir(SHARED, { recursive: true });
    await access(SHARED, constants.W_OK);
    return SHARED;
  } catch (error) {
    if (dataDir === undefined) throw error;
    const own = join(dataDir, 'console');
    await mkdir(own, { recursive: true });
    return own;
  }
}

async function forgetOld(kept: string, cache: string): Promise<void> {
  const others = (await readdir(cache)).map((name) => join(cache, name)).filter((path) => path !== kept);
  for (const path of others.slice(KEEP_MAX)) await removeTree(path, cache);
}

function lastLines(text: string): string {
  return text.trim().split('\n').slice(-4).join(' ').slice(-600);
}
