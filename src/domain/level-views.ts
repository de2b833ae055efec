import { LEVEL_WORDS } from '../contract/levels.ts';
import type { LevelView } from '../contract/schemas/levels.ts';
import { LEVELS, type Level } from '../contract/states.ts';

/** What a machine says of one level, as far as it is told on. */
interface Seen {
  readonly level: Level;
  readonly available: boolean;
  readonly runtime?: string;
  readonly note: string;
  readonly how?: string;
  readonly cost?: { readonly memoryBytes: number; readonly startMs: number };
  readonly lacks?: readonly string[];
  readonly verified?: { readonly at: string; readonly passed: boolean; readonly findings: number };
}

/** Every level, weakest first, over all machines: where it is to be had, and if nowhere, why and what would bring it. */
export function levelViews(
  nodes: readonly { readonly name: string; readonly levels: readonly Seen[] }[],
): readonly LevelView[] {
  return LEVELS.map((level): LevelView => {
    const reports = nodes.flatMap(({ name, levels }) =>
      levels.filter((report) => report.level === level).map((report) => ({ ...report, node: name })),
    );
    const had = reports.filter(({ available }) => available);
    const shown = had[0] ?? reports[0];
    const { protects, exposes, how } = LEVEL_WORDS[level];
    return {
      level,
      available: had.length > 0,
      nodes: had.map(({ node }) => node),
      protects,
      exposes,
      note: shown?.note ?? 'no machine says anything of it',
      lacks: [...(had[0]?.lacks ?? [])],
      ...(shown?.runtime === undefined ? {} : { runtime: shown.runtime }),
      ...(had.length > 0 ? {} : { how: shown?.how ?? how }),
      ...(shown?.verified === undefined ? {} : { verified: { ...shown.verified } }),
      ...(had[0]?.cost === undefined ? {} : { cost: { ...had[0].cost } }),
    };
  });
}
