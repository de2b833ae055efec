import { join } from 'node:path';
import { codeLines, isTest, type Source } from './sources.ts';

/**
 * Who may know whom: for each folder of src/ what it may import besides itself. A file is a port: its interface may be
 * known where the folder around it, the implementation, may not.
 */
export const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  contract: [],
  kit: ['contract/errors.ts'],
  domain: ['contract'],
  store: ['contract', 'kit', 'domain'],
  runtimes: ['contract', 'kit', 'domain', 'host', 'engines/engine.ts'],
  host: ['contract', 'kit', 'domain', 'engines/engine.ts', 'runtimes/runtime.ts'],
  agent: ['contract', 'kit', 'domain', 'host', 'runtimes/runtime.ts', 'engines/engine.ts'],
  engines: ['contract', 'kit', 'domain', 'agent', 'host', 'runtimes'],
  server: ['contract', 'kit', 'domain', 'store/store.ts', 'engines/engine.ts', 'edge/router.ts', 'host/images.ts'],
  edge: ['contract', 'kit', 'domain', 'engines/engine.ts', 'server/service.ts'],
  sdk: ['contract'],
  cli: ['sdk', 'contract', 'kit'],
  console: ['sdk', 'contract'],
  testing: [
    'contract',
    'kit',
    'domain',
    'store/store.ts',
    'engines/engine.ts',
    'runtimes/runtime.ts',
    'edge/router.ts',
    'host/images.ts',
    'host/helper/port.ts',
    'server/service.ts',
    'sdk',
  ],
};

/** The composition roots join everything, and nobody may import them. */
export const COMPOSES = 'main';

export interface Import {
  readonly from: string;
  readonly line: number;
  /** Beneath src/, for a relative import; else the name of a package. */
  readonly to: string;
  readonly relative: boolean;
}

export function importsOf(source: Source): readonly Import[] {
  return codeLines(source).flatMap((line, index) =>
    [...line.matchAll(/(?:\bfrom|\bimport)\s*\(?\s*'([^']+)'/g)].map(([, name = '']) => {
      const relative = name.startsWith('.');
      const to = relative ? join(source.path, '..', name) : name;
      return { from: source.path, line: index + 1, to, relative };
    }),
  );
}

/** Sentences on the imports that go against the direction. Tests may know everything that they test. */
export function wrongDirections(files: readonly Source[]): readonly string[] {
  return files
    .filter(({ path }) => path.startsWith('src/') && !isTest(path))
    .flatMap(importsOf)
    .flatMap(({ from, line, to, relative }) => {
      const folder = from.split('/')[1] ?? '';
      if (!relative || folder === COMPOSES) return [];
      if (!to.startsWith('src/')) return [`${from}:${line} imports ${to}, which is outside of src/`];
      const target = to.slice('src/'.length);
      if (target.startsWith(`${folder}/`)) return [];
      const allowed = MAY_IMPORT[folder] ?? [];
      const fits = allowed.some((one) => (one.endsWith('.ts') ? target === one : target.startsWith(`${one}/`)));
      return fits ? [] : [`${from}:${line} imports ${to}: ${folder} may know ${allowed.join(', ') || 'nothing else'}`];
    });
}
