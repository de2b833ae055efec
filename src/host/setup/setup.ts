import { ArcError } from '../../contract/errors.ts';
import type { Clock } from '../../kit/clock.ts';
import type { Run } from '../../kit/run.ts';
import { Apt, type PolicyFile } from './apt.ts';
import { type Finder, findMissing, type Missing } from './find.ts';
import { NEEDS, type Need } from './needs.ts';

export interface SetupDeps {
  readonly isRoot: boolean;
  readonly find: Finder;
  readonly run: Run;
  readonly clock: Clock;
  readonly policy: PolicyFile;
  /** PATH for the programs that setup starts. */
  readonly path: string;
  /** One line for people on what is being done. */
  readonly say: (line: string) => void;
  /** The node helper: is it there and of this version, and the build that makes it so. */
  readonly helper: { built(): boolean; build(): Promise<void> };
  /** Optional packages that an earlier `up` tried in vain, so that a start with all required things calls no apt. */
  readonly remembered: { read(): readonly string[]; write(packages: readonly string[]): void };
  /** False: name what is missing and install nothing. */
  readonly mayInstall: boolean;
  readonly needs?: readonly Need[];
  readonly signal?: AbortSignal;
}

export interface SetupReport {
  readonly installed: readonly string[];
  readonly built: boolean;
  /** What is not there and what is lost by that; nothing required is among them. */
  readonly without: readonly { readonly name: string; readonly cost: string }[];
}

/**
 * Makes of a bare machine one that can hold sandboxes, saying what it does. With nothing to do it looks at files only.
 * Throws not_root or host_unfit, naming what to install and what works without it.
 */
export async function setUp(deps: SetupDeps): Promise<SetupReport> {
  const needs = deps.needs ?? NEEDS;
  const look = () => findMissing(needs, deps.find, deps.helper.built());
  const before = look();
  const wanted = withoutTriedInVain(before, deps);
  let after = before;
  if (wanted.length > 0) {
    refuseWhereNothingCanBeInstalled(before, deps);
    if (canInstall(deps)) {
      const said = await install(wanted, deps);
      after = look();
      refuseMissing(after, said);
      deps.remembered.write(packagesOf(after));
    }
  }
  const built = await buildHelper(deps);
  const without = after.map((missing) => ({ name: missing.need.name, cost: costOf(missing) }));
  for (const { name, cost } of without) deps.say(`without ${name}: ${cost}`);
  const still = new Set(after.map((missing) => missing.need.name));
  const installed = packagesOf(wanted.filter((missing) => !still.has(missing.need.name)));
  return { installed: canInstall(deps) ? installed : [], built, without };
}

const packagesOf = (missing: readonly Missing[]): readonly string[] => [
  ...new Set(missing.flatMap(({ need }) => need.packages)),
];

const costOf = ({ need, standIn }: Missing): string =>
  standIn === undefined ? need.cost : `${standIn} is used in its place, which is slower and takes more memory`;

const canInstall = (deps: SetupDeps): boolean =>
  deps.mayInstall && deps.isRoot && deps.find.find('apt-get') !== undefined;

/** When only optional things are missing and all were tried before, there is nothing to do. */
function withoutTriedInVain(missing: readonly Missing[], deps: SetupDeps): readonly Missing[] {
  if (missing.length === 0 || missing.some(({ required }) => required)) return missing;
  const tried = new Set(deps.remembered.read());
  return missing.every(({ need }) => need.packages.every((name) => tried.has(name))) ? [] : missing;
}

function refuseWhereNothingCanBeInstalled(missing: readonly Missing[], deps: SetupDeps): void {
  const required = missing.filter((one) => one.required);
  if (required.length === 0 || canInstall(deps)) return;
  const names = required.map(({ need }) => `${need.name}, which ${need.purpose}`).join('; ');
  const packages = packagesOf(required).join(' ');
  const works =
    'Without them no sandbox starts here; the client commands work against a server elsewhere (ARC_URL, ARC_API_KEY).';
  const extra = { missing: required.map(({ need }) => need.name), packages: packagesOf(required) };
  if (!deps.isRoot && deps.find.find('apt-get') !== undefined) {
    throw new ArcError('not_root', `missing here: ${names}. ${works}`, {
      extra,
      hint: `Run \`arc up\` as root once, or let root run: apt-get install --no-install-recommends ${packages}`,
    });
  }
  const why = deps.mayInstall ? 'there is no apt-get to install them with' : 'installing is turned off (`setup`)';
  throw new ArcError('host_unfit', `missing here: ${names}; ${why}. ${works}`, {
    extra,
    hint: `Install what Debian and Ubuntu call ${packages}, then run \`arc up\` again.`,
  });
}

/** Gives what apt said when not all went well; whether that matters is decided by what is there afterwards. */
async function install(missing: readonly Missing[], deps: SetupDeps): Promise<string | undefined> {
  const aptGet = deps.find.find('apt-get') ?? 'apt-get';
  const apt = new Apt({ ...deps, aptGet, aptCache: deps.find.find('apt-cache') });
  deps.say('fetching the package lists (apt-get update)');
  const updateSaid = await apt.update();
  if (updateSaid !== undefined)
    deps.say(`apt-get update failed; going on with the lists that are there: ${updateSaid}`);
  const known = await apt.known(packagesOf(missing));
  const wanted = missing.filter(({ need, required }) => required || need.packages.every((name) => known.has(name)));
  if (wanted.length === 0) return updateSaid;
  for (const { need } of wanted) deps.say(`installing ${need.packages.join(', ')}: ${need.purpose}`);
  const said = await apt.install(packagesOf(wanted));
  const required = wanted.filter((one) => one.required);
  if (said === undefined || required.length === 0 || required.length === wanted.length) return said ?? updateSaid;
  // One optional package that can't be had must not keep the required ones away.
  deps.say(`apt-get install failed; trying once more with only what is required: ${said}`);
  return await apt.install(packagesOf(required));
}

function refuseMissing(missing: readonly Missing[], said: string | undefined): void {
  const required = missing.filter((one) => one.required);
  if (required.length === 0) return;
  const names = required.map(({ need }) => need.name).join(', ');
  throw new ArcError('host_unfit', `apt-get did not bring ${names}${said === undefined ? '' : `:\n${said}`}`, {
    extra: { missing: required.map(({ need }) => need.name), packages: packagesOf(required) },
    hint: `Mend what it says, or install by hand: ${packagesOf(required).join(' ')}`,
  });
}

async function buildHelper(deps: SetupDeps): Promise<boolean> {
  if (deps.helper.built()) return false;
  deps.say('building the node helper');
  await deps.helper.build();
  return true;
}
