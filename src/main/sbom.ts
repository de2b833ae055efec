import type { Need } from '../host/setup/index.ts';

/** What npm's lock file says of one package; the root's own entry is the one at the path ''. */
export interface LockedPackage {
  readonly version: string;
  readonly integrity?: string;
  readonly license?: string;
  readonly dev?: boolean;
  readonly optional?: boolean;
  readonly devOptional?: boolean;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
}

export interface LockFile {
  readonly name: string;
  readonly version: string;
  readonly packages: Readonly<Record<string, LockedPackage>>;
}

interface Component {
  readonly type: 'application' | 'library';
  readonly 'bom-ref': string;
  readonly name: string;
  readonly version?: string;
  /** `excluded`: only for those who change Arc. `optional`: Arc runs without it, or has another one in its place. */
  readonly scope?: 'required' | 'optional' | 'excluded';
  readonly hashes?: readonly { readonly alg: string; readonly content: string }[];
  readonly licenses?: readonly object[];
  readonly purl: string;
  readonly description?: string;
}

export interface Sbom {
  readonly bomFormat: 'CycloneDX';
  readonly specVersion: '1.5';
  readonly version: 1;
  readonly metadata: { readonly component: Component };
  readonly components: readonly Component[];
  readonly dependencies: readonly { readonly ref: string; readonly dependsOn: readonly string[] }[];
}

const HASHES: Readonly<Record<string, string>> = {
  sha1: 'SHA-1',
  sha256: 'SHA-256',
  sha384: 'SHA-384',
  sha512: 'SHA-512',
};

/**
 * What Arc is made of, as a CycloneDX document: npm's packages with the hashes that the lock file holds them to, and the
 * packages of Debian that a machine gets, whose versions are the machine's. The same lock file gives the same document.
 */
export function sbomOf(lock: LockFile, needs: readonly Need[]): Sbom {
  const paths = Object.keys(lock.packages).filter((path) => path !== '');
  const npm = new Map(paths.map((path) => [refOf(lock, path), npmComponent(lock, path)]));
  const debian = new Map(needs.flatMap((need) => need.packages.map((name) => [name, debianComponent(name, need)])));
  const root = refOf(lock, '');
  const all = new Map<string, Set<string>>([[root, new Set([...debian.values()].map((one) => one['bom-ref']))]]);
  for (const [path, entry] of Object.entries(lock.packages)) {
    const ref = refOf(lock, path);
    const targets = all.get(ref) ?? new Set();
    for (const name of namesOf(entry)) {
      const found = placeOf(lock, path, name);
      if (found !== undefined) targets.add(refOf(lock, found));
    }
    all.set(ref, targets);
  }
  return {
    ...{ bomFormat: 'CycloneDX', specVersion: '1.5', version: 1 },
    metadata: {
      component: {
        ...{ type: 'application', 'bom-ref': root, name: lock.name, version: lock.version, purl: root },
        ...licensesOf(lock.packages['']),
      },
    },
    components: [...npm.values(), ...debian.values()],
    dependencies: [...all].map(([ref, dependsOn]) => ({ ref, dependsOn: [...dependsOn].sort() })),
  };
}

const nameOf = (path: string): string => path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length);

function refOf(lock: LockFile, path: string): string {
  const name = path === '' ? lock.name : nameOf(path);
  return `pkg:npm/${name.replace('@', '%40')}@${lock.packages[path]?.version ?? lock.version}`;
}

const namesOf = ({ dependencies, optionalDependencies, devDependencies }: LockedPackage): readonly string[] =>
  Object.keys({ ...dependencies, ...optionalDependencies, ...devDependencies });

/** Where Node finds a package from that place: in its own folder first, then in each one around it. */
function placeOf(lock: LockFile, from: string, name: string): string | undefined {
  for (let at = from; at !== ''; at = at.slice(0, Math.max(0, at.lastIndexOf('/node_modules/')))) {
    const path = `${at}/node_modules/${name}`;
    if (lock.packages[path] !== undefined) return path;
  }
  return lock.packages[`node_modules/${name}`] && `node_modules/${name}`;
}

function npmComponent(lock: LockFile, path: string): Component {
  const entry = lock.packages[path] as LockedPackage;
  const ref = refOf(lock, path);
  const excluded = entry.dev === true || entry.devOptional === true;
  return {
    ...{ type: 'library', 'bom-ref': ref, name: nameOf(path), version: entry.version, purl: ref },
    scope: excluded ? 'excluded' : entry.optional === true ? 'optional' : 'required',
    ...(entry.integrity === undefined ? {} : { hashes: entry.integrity.split(' ').map(hashOf) }),
    ...licensesOf(entry),
  };
}

function hashOf(text: string): { readonly alg: string; readonly content: string } {
  const [name = '', value = ''] = text.split(/-(.*)/s);
  const alg = HASHES[name];
  if (alg === undefined) throw new Error(`package-lock.json: ${name} is no hash that CycloneDX knows`);
  return { alg, content: Buffer.from(value, 'base64').toString('hex') };
}

const licensesOf = (entry: LockedPackage | undefined): { licenses?: readonly object[] } =>
  entry?.license === undefined ? {} : { licenses: [{ expression: entry.license }] };

function debianComponent(name: string, need: Need): Component {
  const purl = `pkg:deb/debian/${name}`;
  return {
    ...{ type: 'application', 'bom-ref': purl, name, purl, scope: need.required ? 'required' : 'optional' },
    description: `${need.name}: ${need.purpose}`,
  };
}
