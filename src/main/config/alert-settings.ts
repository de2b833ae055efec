import type { Config, Setting } from './settings.ts';
import { integer } from './values.ts';

/** From when on operators are told, in the form of `settings.ts`. */

export interface AlertConfig {
  /** Percent. */
  readonly alertDisk: number;
  /** Percent. */
  readonly alertDiskCritical: number;
  readonly alertQueueSeconds: number;
  readonly alertStartsFailed: number;
  /** Percent. */
  readonly alertStartsShare: number;
  readonly alertHelperLosses: number;
}

const setting = <Key extends keyof AlertConfig>(row: Setting<Key>): Setting<Key> => row;
const percent = integer(0, 100);

export const ALERT_SETTINGS = {
  alertDisk: setting({
    key: 'alertDisk',
    flag: '--alert-disk',
    variable: 'ARC_ALERT_DISK',
    fileKey: 'alerts.disk',
    placeholder: 'PERCENT',
    read: percent,
    fallback: () => 10,
    shown: '`10`',
    doc: '`disk-low` is told while less than this part of the disk of sandboxes is left; 0: never.',
  }),
  alertDiskCritical: setting({
    key: 'alertDiskCritical',
    flag: '--alert-disk-critical',
    variable: 'ARC_ALERT_DISK_CRITICAL',
    fileKey: 'alerts.diskCritical',
    placeholder: 'PERCENT',
    read: percent,
    fallback: () => 3,
    shown: '`3`',
    doc: 'Below this part `disk-low` is critical. At most `--alert-disk`.',
  }),
  alertQueueSeconds: setting({
    key: 'alertQueueSeconds',
    flag: '--alert-queue-seconds',
    variable: 'ARC_ALERT_QUEUE_SECONDS',
    fileKey: 'alerts.queueSeconds',
    placeholder: 'SECONDS',
    read: integer(1, 86_400),
    fallback: () => 30,
    shown: '`30`',
    doc: '`queue-long` is told when a sandbox has waited for its start for longer than this.',
  }),
  alertStartsFailed: setting({
    key: 'alertStartsFailed',
    flag: '--alert-starts-failed',
    variable: 'ARC_ALERT_STARTS_FAILED',
    fileKey: 'alerts.startsFailed',
    placeholder: 'COUNT',
    read: integer(1, 1_000_000),
    fallback: () => 5,
    shown: '`5`',
    doc: '`starts-failing` is told when so many starts failed within ten minutes, and `--alert-starts-share` of all.',
  }),
  alertStartsShare: setting({
    key: 'alertStartsShare',
    flag: '--alert-starts-share',
    variable: 'ARC_ALERT_STARTS_SHARE',
    fileKey: 'alerts.startsShare',
    placeholder: 'PERCENT',
    read: percent,
    fallback: () => 20,
    shown: '`20`',
    doc: 'The part of all starts within ten minutes that must have failed for `starts-failing`.',
  }),
  alertHelperLosses: setting({
    key: 'alertHelperLosses',
    flag: '--alert-helper-losses',
    variable: 'ARC_ALERT_HELPER_LOSSES',
    fileKey: 'alerts.helperLosses',
    placeholder: 'COUNT',
    read: integer(1, 1_000),
    fallback: () => 2,
    shown: '`2`',
    doc: '`helper-restarts` is told when the helper of the node was lost so many times within ten minutes.',
  }),
} as const satisfies { readonly [Key in keyof AlertConfig]: Setting<Key & keyof Config> };
