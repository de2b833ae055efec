import type { Clock } from '../../src/kit/clock.ts';

/** Whether one run of the control plane is still there. After a kill nothing that it asked for is ever answered. */
export interface Life {
  alive: boolean;
}

const never = new Promise<never>(() => {});

/** The same object, for one life: calls made by the dead, and answers to the dead, are lost. What was asked goes on. */
export function severed<T extends object>(subject: T, life: Life): T {
  return new Proxy(subject, {
    get(_, name) {
      const member: unknown = Reflect.get(subject, name, subject);
      if (typeof member !== 'function') return member;
      return (...args: unknown[]) => {
        if (!life.alive) return never;
        const result: unknown = member.apply(
          subject,
          args.map((arg) => (typeof arg === 'function' ? forLiving(arg as Callback, life) : arg)),
        );
        return result instanceof Promise ? answered(result, life) : result;
      };
    },
  });
}

type Callback = (...args: unknown[]) => unknown;

function forLiving(callback: Callback, life: Life): Callback {
  return (...args) => (life.alive ? callback(...args) : undefined);
}

function answered<T>(work: Promise<T>, life: Life): Promise<T> {
  return new Promise((resolve, reject) => {
    work.then(
      (value) => life.alive && resolve(value),
      (error) => life.alive && reject(error),
    );
  });
}

/** A process's own clock: its monotonic time begins anew with it, and its timers die with it. */
export function lifeClock(clock: Clock, life: Life): Clock {
  const start = clock.monotonic();
  return {
    now: () => clock.now(),
    monotonic: () => clock.monotonic() - start,
    sleep: (ms, signal) => answered(clock.sleep(ms, signal), life),
    after: (ms, callback) => clock.after(ms, () => life.alive && callback()),
  };
}
