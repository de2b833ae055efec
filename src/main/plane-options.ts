import { totalmem } from 'node:os';
import { ALERT_LIMITS, type AlertLimits } from '../domain/alerts/rules.ts';
import type { Quota } from '../domain/quota.ts';
import type { ControlPlaneOptions } from '../server/core/options.ts';
import type { Config } from './config/index.ts';

/** Of the machine's memory, one part in so many is for warm sandboxes when nobody says otherwise. */
const WARM_PART = 4;

/** What the configuration means for the control plane. */
export function planeOptions(config: Config): Partial<ControlPlaneOptions> {
  return {
    startsMax: config.startsAtOnce,
    sandboxesMax: config.maxSandboxes,
    networkOpen: config.networkOpen,
    warmBytes: config.warmMemory ?? totalmem() / WARM_PART,
    keepAuditMax: config.auditKeep,
    loosening: config.loosenedTemplates,
    ...(config.tcpPorts === undefined ? {} : { tcpPorts: config.tcpPorts }),
    quota: quotaOf(config),
    alerts: alertLimitsOf(config),
  };
}

function alertLimitsOf(config: Config): AlertLimits {
  return {
    ...ALERT_LIMITS,
    diskWarning: config.alertDisk / 100,
    diskCritical: config.alertDiskCritical / 100,
    queueMs: config.alertQueueSeconds * 1_000,
    helperLosses: config.alertHelperLosses,
    startsFailed: config.alertStartsFailed,
    startsFailedShare: config.alertStartsShare / 100,
  };
}

function quotaOf(config: Config): Quota {
  const { quotaRunning, quotaTotal, quotaMemory, quotaPerMinute, quotaOnePerTemplate } = config;
  return {
    ...(quotaRunning === undefined ? {} : { running: quotaRunning }),
    ...(quotaTotal === undefined ? {} : { total: quotaTotal }),
    ...(quotaMemory === undefined ? {} : { memoryBytes: quotaMemory }),
    ...(quotaPerMinute === undefined ? {} : { createdPerMinute: quotaPerMinute }),
    ...(quotaOnePerTemplate ? { onePerTemplate: true } : {}),
  };
}
