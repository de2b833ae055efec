import { existsSync, realpathSync } from 'node:fs';
import { type Cidr, formatCidr, parseCidr } from '../../domain/network/cidr.ts';
import { silentLogger } from '../../kit/logger.ts';
import type { Run } from '../../kit/run.ts';
import { Barrier, PASSED_MARK } from '../network/barrier.ts';
import type { Claim } from '../network/claim-range.ts';
import type { Thing } from './orphans.ts';
import type { Probe } from './probe.ts';

export interface BarrierLookDeps {
  readonly probe: Pick<Probe, 'find'>;
  readonly run: Run;
  readonly dataDir: string;
  /** Which data folders of this machine that are there give addresses from which range. */
  readonly claims: () => readonly Claim[];
}

const TIMEOUT_MS = 10_000;

/**
 * Ranges that the kernel blocks by policies such as only Arc makes (`network/barrier.ts`), and that are of this data folder or
 * of none: a folder that was deleted by hand leaves them, and whoever uses the range afterwards is blocked. A range that a
 * firewall table of an Arc still names is somebody's, though this machine's registry may not know of it.
 */
export async function orphanBarriers(deps: BarrierLookDeps): Promise<readonly Thing[]> {
  const ip = deps.probe.find('ip');
  const nft = deps.probe.find('nft');
  if (ip === undefined || nft === undefined) return [];
  const blocked = await blockedRanges(deps.run, ip);
  if (blocked.length === 0) return [];
  const { code, stdout } = await deps.run([nft, '--terse', 'list', 'ruleset'], { env: {}, timeoutMs: TIMEOUT_MS });
  if (code !== 0) return [];
  const tables = stdout.split(/^(?=table )/m).filter((table) => /^table inet arc_/.test(table));
  const claims = deps.claims();
  const own = existsSync(deps.dataDir) ? realpathSync(deps.dataDir) : deps.dataDir;
  return blocked.flatMap(({ text, range }) => {
    const thing = {
      kind: 'barrier' as const,
      name: `IPsec policies on ${text}`,
      remove: () => remove(deps, ip, range),
    };
    const who = claims.filter((claim) => formatCidr(claim.range) === text).map(({ dataDir }) => dataDir);
    if (who.length > 0)
      return who.every((dir) => dir === own) ? [{ ...thing, ours: true, proof: `${own} says so` }] : [];
    if (tables.some((table) => table.includes(text))) return [];
    return [{ ...thing, proof: `they carry the mark of Arc's, and no data folder has ${text}` }];
  });
}

async function blockedRanges(run: Run, ip: string): Promise<readonly { text: string; range: Cidr }[]> {
  const { code, stdout } = await run([ip, 'xfrm', 'policy'], { env: {}, timeoutMs: TIMEOUT_MS });
  if (code !== 0) return [];
  const texts = stdout.split(/^(?=src )/m).flatMap((policy) => {
    const [, source = '', target = ''] = /^src (\S+) dst (\S+)/.exec(policy) ?? [];
    const blocks = / action block /.test(policy) && policy.includes(`mark 0/${PASSED_MARK}`);
    const open = [source, target].filter((side) => side !== '0.0.0.0/0');
    return blocks && open.length === 1 ? open : [];
  });
  return [...new Set(texts)].flatMap((text) => {
    const range = parseCidr(text);
    return range === undefined ? [] : [{ text: formatCidr(range), range }];
  });
}

async function remove({ run }: BarrierLookDeps, ip: string, range: Cidr): Promise<void> {
  await new Barrier({ plan: { range }, ip, run, log: silentLogger }).remove();
  const left = await blockedRanges(run, ip);
  if (left.some(({ text }) => text === formatCidr(range))) throw new Error(`${ip} xfrm policy still has them`);
}
