import { ArcError } from '../../contract/errors.ts';
import type { Template } from '../../contract/schemas/template.ts';
import { Admission } from '../../domain/admission.ts';
import type { Router } from '../../edge/router.ts';
import type { Engine, EngineEvent, Target } from '../../engines/engine.ts';
import type { Images } from '../../host/images.ts';
import type { BootClock } from '../../kit/boot.ts';
import type { Clock, Rng } from '../../kit/clock.ts';
import { giveUp } from '../../kit/limit.ts';
import type { Logger } from '../../kit/logger.ts';
import { KeyedMutex } from '../../kit/mutex.ts';
import type { Store } from '../../store/store.ts';
import type { Services, Waker } from '../service.ts';
import { Activity } from './activity.ts';
import { ActivitySaver } from './activity-saver.ts';
import { AlertWatch } from './alerts/alerts.ts';
import { AuditLog } from './audit.ts';
import { Busy } from './busy.ts';
import { BootTime, type Core } from './context.ts';
import { Ending } from './ending.ts';
import { EngineCalls } from './engine-calls.ts';
import { Expiry } from './expiry.ts';
import { HookStore } from './hooks/hooks.ts';
import type { Send } from './hooks/send.ts';
import { Jobs } from './jobs.ts';
import { KeyStore } from './keys.ts';
import { LinkStore } from './links.ts';
import { Notices } from './notices.ts';
import { type ControlPlaneOptions, DEFAULT_OPTIONS } from './options.ts';
import { Parker } from './parker.ts';
import { Pools } from './pool/pools.ts';
import { PressureWatch } from './pressure-watch.ts';
import { QuotaStore } from './quotas.ts';
import { Reclaimer } from './reclaim.ts';
import { Retention } from './retention.ts';
import { Routes } from './routes.ts';
import { Rows } from './rows.ts';
import { SandboxService } from './sandboxes.ts';
import { SecretStore } from './secrets.ts';
import { SessionStore } from './sessions.ts';
import { Starter } from './starter.ts';
import { TcpPorts } from './tcp-ports.ts';
import { TemplateStore } from './templates.ts';
import { VitalSigns } from './vitals.ts';
import { Waiters } from './waiters.ts';
import { Waking } from './waking.ts';

export interface ControlPlaneDeps {
  readonly store: Store;
  readonly engine: Engine;
  readonly router: Router;
  readonly images: Images;
  readonly clock: Clock;
  /** Goes on from one run of Arc to the next; `realBootClock()` of `kit/boot.ts`. */
  readonly boot: BootClock;
  readonly rng: Rng;
  readonly logger: Logger;
  /** Templates that are there from the start; their roots are builtin or held already. */
  readonly builtins: readonly Template[];
  /** Seals secrets; without it none can be kept. */
  readonly secretsKey?: Uint8Array;
  readonly options?: Partial<ControlPlaneOptions>;
  /** Connections that the edge holds open to a sandbox. Default: none is known. */
  readonly connections?: (id: string) => number;
  /** What people call this machine. Default: the name of the engine. */
  readonly node?: string;
  /** Posts the messages of hooks. Default: nobody takes them. */
  readonly send?: Send;
}

export interface ControlPlane {
  readonly sandboxes: SandboxService;
  readonly templates: TemplateStore;
  readonly keys: KeyStore;
  readonly sessions: SessionStore;
  readonly links: LinkStore;
  readonly hooks: HookStore;
  readonly quotas: QuotaStore;
  readonly audit: AuditLog;
  readonly secrets: SecretStore;
  /** All that the API calls. */
  readonly services: Services;
  readonly alerts: AlertWatch;
  readonly vitals: VitalSigns;
  /** For the edge: requests for what is parked. */
  readonly waker: Waker;
  /** For the edge: somebody uses it. Cheap. */
  used(id: string): void;
  /** Resolves when creates are taken and every known name has an answer; the rest goes on in the background, see `reclaimed`. */
  start(): Promise<void>;
  /** Resolves when the engine has said what runs: all of that is reachable again, and starts begin. */
  reclaimed(): Promise<void>;
  /** Stops all loops and leaves sandboxes running. The store and the engine are the caller's to close. */
  close(): Promise<void>;
}

/** Puts the control plane together over its ports. */
export function createControlPlane(deps: ControlPlaneDeps): ControlPlane {
  const { store, engine, images, clock, rng, logger } = deps;
  const closing = new AbortController();
  const core = makeCore(deps, closing.signal, (id) => usedAgain(id));
  const { activity, options } = core;
  const jobs = new Jobs();
  const hooks = new HookStore({ store, clock, rng, logger, send: deps.send ?? SENT_NOWHERE });
  const retention = new Retention(core, () => hooks.needed());
  // Before the engine has said what runs nobody can be parked: its address may be somebody else's by now.
  const looked = Promise.withResolvers<void>();
  const expiry = new Expiry(core, (id) => looked.promise.then(() => parker.look(id)));
  const ending = new Ending(core, { jobs, expiry, retention });
  const pools = new Pools(core, { jobs, images });
  const starter = new Starter(core, { jobs, expiry, ending, pools });
  const reclaimer = new Reclaimer(core, { starter, ending, expiry, retention, pools });
  const { loosening, networkOpen } = options;
  const templates = new TemplateStore({ store, images, clock, pools, loosening, networkOpen }, deps.builtins);
  const notices = new Notices();
  const parker: Parker = new Parker(core, { expiry, ending, notices, busy: new Busy(core) });
  const waking = new Waking(core, { parker, starter });
  const watch = new PressureWatch(core, parker);
  const saving = new ActivitySaver(core);
  const alerts = new AlertWatch(core, { node: deps.node ?? engine.name, hooks, pools: () => pools.statuses() });
  const usedAgain = (id: string) => {
    if (!activity.isFrozen(id)) expiry.hasten(id);
    else waking.wake(id).catch((error) => logger.warn({ sandbox: id, error }, 'a frozen sandbox could not be woken'));
  };
  const sandboxes = new SandboxService(core, { templates, starter, ending, expiry, pools, waking, notices });
  const { quotas, vitals } = core;
  const services = {
    sandboxes,
    templates,
    quotas,
    secrets: core.secrets,
    hooks,
    alerts,
    vitals,
    ...whoMayAsk(deps, sandboxes),
  };
  let unwatch: () => void = () => {};
  let first = Promise.resolve();
  return {
    ...{ ...services, services, waker: waking },
    used: (id) => activity.touch(id),
    reclaimed: () => first,
    async start() {
      unwatch = engine.watch(engineEvents(core, { reclaimer, pools, ending }));
      await quotas.load();
      await retention.load();
      await templates.begin();
      await pools.load();
      await activity.load();
      await reclaimer.restoreRoutes();
      first = reclaimer.begin();
      first.then(looked.resolve, looked.resolve);
      watch.begin();
      saving.begin();
      await hooks.begin();
      await alerts.begin();
    },
    async close() {
      const reason = new ArcError('unavailable', 'Arc is stopping');
      closing.abort(reason);
      unwatch();
      expiry.close();
      pools.close();
      jobs.cancelAll(reason);
      core.waiters.rejectAll(reason);
      const ends = [reclaimer, starter, watch, saving, pools, alerts].map((part) => part.ended());
      await giveUp(clock, Promise.all([...ends, hooks.close()]), { ms: options.closeMs }).catch(() => {
        logger.warn({}, 'something was still under way when Arc stopped; the next run takes it up');
      });
    },
  };
}

const SENT_NOWHERE: Send = async () => ({ kind: 'down', detail: 'nothing is sent from here' });

function makeCore(deps: ControlPlaneDeps, closing: AbortSignal, onUse: (id: string) => void): Core {
  const { store, engine, clock, rng, logger } = deps;
  const options = { ...DEFAULT_OPTIONS, ...deps.options };
  const time = new BootTime(deps.boot);
  const activity = new Activity({
    ...{ clock, time, store, connections: deps.connections ?? (() => 0) },
    ...{ silentMs: options.silentMs, saveMs: options.saveActivityMs, onUse },
  });
  const quotas = new QuotaStore({ store, clock, defaults: options.quota });
  const secrets = new SecretStore({ store, clock, rng, key: deps.secretsKey });
  const core: Core = {
    ...{ store, engine, clock, rng, logger, options, time, activity, closing, quotas, secrets },
    router: new Routes(deps.router),
    rows: new Rows(store, (owner) => quotas.of(owner), new TcpPorts(options.tcpPorts)),
    calls: new EngineCalls(engine, clock, options, (target) => void undoLate(core, target)),
    waiters: new Waiters(),
    admission: new Admission({ startsMax: options.startsMax, queueMax: options.queueMax }),
    lanes: new KeyedMutex(),
    vitals: new VitalSigns(clock),
  };
  return core;
}

function engineEvents(
  core: Core,
  { reclaimer, pools, ending }: { reclaimer: Reclaimer; pools: Pools; ending: Ending },
): (event: EngineEvent) => void {
  return (event) => {
    if (event.type === 'resync') {
      core.vitals.helperLost();
      reclaimer.wake();
      return;
    }
    const { id, incarnation } = event.target;
    pools.exited(id, event.exit);
    ending.exited(id, incarnation, event.exit).catch((error) => {
      core.logger.warn({ sandbox: id, error }, 'an exit could not be written yet; the next pass sees it again');
    });
  };
}

/** Keys, and what stands for one. */
function whoMayAsk({ store, clock, rng }: ControlPlaneDeps, sandboxes: SandboxService) {
  const keys = new KeyStore({ store, clock, rng });
  const sessions = new SessionStore({ store, clock, rng, keys });
  return {
    keys,
    sessions,
    audit: new AuditLog({ store, clock }),
    links: new LinkStore({ store, clock, rng, sandboxes }),
  };
}

/** A start that nobody waited for any more came to its end: unless its row wants it again, it goes. */
async function undoLate(core: Core, target: Target): Promise<void> {
  if (core.closing.aborted) return;
  try {
    await core.lanes.run(target.id, async () => {
      const found = await core.rows.read(target.id);
      if (!found || found.row.state === 'removed' || found.row.state === 'failed') await core.calls.destroy(target);
      // A later incarnation may want the writable layer of this one.
      else if (found.row.incarnation > target.incarnation) await core.calls.stop(target);
    });
  } catch (error) {
    core.logger.warn({ sandbox: target.id, error }, 'a late start is still there; the next pass removes it');
  }
}
