import type { AlertLimits, AlertName } from './rules.ts';

/** One sentence for each alert: when it is told, with the limits that hold here. */
export function toldWhen(limits: AlertLimits): readonly { readonly name: AlertName; readonly when: string }[] {
  const { diskWarning, diskCritical, queueMs, helperLosses, startsFailed, startsFailedShare } = limits;
  const percent = (share: number) => `${Math.round(share * 100)} %`;
  return [
    { name: 'node-failing', when: 'store and engine could not be made to agree for 20 s' },
    {
      name: 'disk-low',
      when: `less than ${percent(diskWarning)} of the disk of sandboxes is left for a minute; critical below ${percent(diskCritical)}`,
    },
    { name: 'memory-pressure', when: 'so little memory is left for a minute that idle sandboxes are parked for it' },
    { name: 'queue-long', when: `one has waited for its start for more than ${Math.round(queueMs / 1_000)} s` },
    { name: 'pool-empty', when: 'a pool has had less than it should for a minute, and its starts fail' },
    { name: 'helper-restarts', when: `the helper of the node was lost ${helperLosses} times within ten minutes` },
    {
      name: 'starts-failing',
      when: `within ten minutes at least ${startsFailed} starts, and ${percent(startsFailedShare)} of all, failed for other reasons than their programs`,
    },
    { name: 'hook-failing', when: 'nothing has arrived at a hook for a quarter of an hour' },
  ];
}
