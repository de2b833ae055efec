/**
 * For the crash tests: the process kills itself at a named moment, before or after the n-th call of one method of one
 * port, such as `helper.start:after` or `store.commit:before#2`; with `~TEXT&TEXT` only calls whose arguments hold
 * each text count. Nothing in the code that is tested knows of it.
 */
export interface CrashPoint {
  readonly port: string;
  readonly method: string;
  readonly when: 'before' | 'after';
  readonly call: number;
  readonly texts: readonly string[];
  /** Calls count from here on: what the start itself calls is not meant. */
  armed: boolean;
}

export function parseCrashPoint(text: string | undefined): CrashPoint | undefined {
  if (text === undefined || text === '') return undefined;
  const match = /^([a-z]+)\.([a-zA-Z]+):(before|after)(?:#([0-9]+))?(?:~(.+))?$/.exec(text);
  if (!match) throw new Error(`not a crash point: ${text}`);
  const [, port = '', method = '', when, call = '1', held = ''] = match;
  return {
    port,
    method,
    when: when === 'before' ? 'before' : 'after',
    call: Number(call),
    texts: held.split('&'),
    armed: false,
  };
}

/** The port itself where there is no crash point for it. */
export function crashable<T extends object>(name: string, port: T, at: CrashPoint | undefined): T {
  if (at === undefined || at.port !== name) return port;
  let calls = 0;
  return new Proxy(port, {
    get(target, key) {
      const value: unknown = Reflect.get(target, key, target);
      if (typeof value !== 'function') return value;
      if (key !== at.method) return value.bind(target);
      return (...args: readonly unknown[]) => {
        const counts = at.armed && at.texts.every((text) => JSON.stringify(args).includes(text));
        if (counts) calls += 1;
        if (!counts || calls !== at.call) return value.apply(target, args);
        if (at.when === 'before') dieNow();
        const answer: unknown = value.apply(target, args);
        return Promise.resolve(answer).finally(dieNow);
      };
    },
  });
}

/** As a `kill -9` from outside: no handler runs, nothing is flushed. */
function dieNow(): void {
  process.kill(process.pid, 'SIGKILL');
}
