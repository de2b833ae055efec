/**
 * For the crash tests: a process is killed at a named moment, before, after or so many ms into the n-th call of one
 * method of one port, such as `helper.start:after`, `store.commit:before#2` or `helper.start:during20`. It is the server
 * itself; with `helper!` or `both!` in front it is the helper, or both. With `~TEXT&TEXT` only calls whose arguments
 * hold each text count. Nothing in the code that is tested knows of it.
 */
export interface CrashPoint {
  readonly victim: 'server' | 'helper' | 'both';
  readonly port: string;
  readonly method: string;
  readonly when: 'before' | 'during' | 'after';
  /** ms into the call, for `during`. */
  readonly delayMs: number;
  readonly call: number;
  readonly texts: readonly string[];
  /** Calls count from here on: what the start itself calls is not meant. */
  armed: boolean;
}

const FORM = /^(?:(helper|both)!)?([a-z]+)\.([a-zA-Z]+):(?:(before|after)|during([0-9]+))(?:#([0-9]+))?(?:~(.+))?$/;

export function parseCrashPoint(text: string | undefined): CrashPoint | undefined {
  if (text === undefined || text === '') return undefined;
  const match = FORM.exec(text);
  if (!match) throw new Error(`not a crash point: ${text}`);
  const [, victim = 'server', port = '', method = '', when = 'during', delay = '0', call = '1', held = ''] = match;
  return {
    ...({ victim, when } as Pick<CrashPoint, 'victim' | 'when'>),
    ...{ port, method, delayMs: Number(delay), call: Number(call), texts: held.split('&') },
    armed: false,
  };
}

/** The port itself where there is no crash point for it. */
export function crashable<T extends object>(
  name: string,
  port: T,
  at: CrashPoint | undefined,
  helperPid: () => number | undefined,
): T {
  if (at === undefined || at.port !== name) return port;
  let calls = 0;
  const kill = () => dieNow(at.victim, helperPid());
  return new Proxy(port, {
    get(target, key) {
      const value: unknown = Reflect.get(target, key, target);
      if (typeof value !== 'function') return value;
      if (key !== at.method) return value.bind(target);
      return (...args: readonly unknown[]) => {
        const counts = at.armed && at.texts.every((text) => JSON.stringify(args).includes(text));
        if (counts) calls += 1;
        if (!counts || calls !== at.call) return value.apply(target, args);
        if (at.when === 'before') kill();
        const answer: unknown = value.apply(target, args);
        if (at.when === 'during') setTimeout(kill, at.delayMs);
        return at.when === 'after' ? Promise.resolve(answer).finally(kill) : answer;
      };
    },
  });
}

/** As a `kill -9` from outside: no handler runs, nothing is flushed. */
function dieNow(victim: CrashPoint['victim'], helper: number | undefined): void {
  if (victim !== 'server' && helper !== undefined) process.kill(helper, 'SIGKILL');
  if (victim !== 'helper') process.kill(process.pid, 'SIGKILL');
}
