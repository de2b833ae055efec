import { ArcError } from '../contract/errors.ts';
import type { Clock } from '../kit/clock.ts';
import type { Waker } from '../server/service.ts';
import type { EdgeLimits } from './limits.ts';
import { tooMany } from './refusals.ts';

/** Thrown where a request must wait for its sandbox to be woken. */
export class Asleep extends Error {
  override readonly name = 'Asleep';
  readonly id: string;
  constructor(id: string) {
    super(`${id} is asleep`);
    this.id = id;
  }
}

interface Flight {
  readonly awake: Promise<void>;
  waiting: number;
}

/** Requests that wait for their sandboxes to wake up: a bounded number, for a bounded time, one wake for all of a sandbox. */
export class HeldRequests {
  readonly #waker: Waker;
  readonly #clock: Clock;
  readonly #limits: EdgeLimits;
  readonly #flights = new Map<string, Flight>();
  #waiting = 0;

  constructor(waker: Waker, clock: Clock, limits: EdgeLimits) {
    this.#waker = waker;
    this.#clock = clock;
    this.#limits = limits;
  }

  get waiting(): number {
    return this.#waiting;
  }

  /**
   * Resolves when it may be tried again, rejects with what the client is told: overloaded, starting, or why it can't be
   * woken. `onGone` is given what to call when the client has left.
   */
  async wait(id: string, onGone: (leave: () => void) => void): Promise<'awake' | 'gone'> {
    if (this.#waiting >= this.#limits.heldInAll) throw tooMany('The edge holds as many requests as it can.');
    const flight = this.#flight(id);
    if (flight.waiting >= this.#limits.heldPerSandbox) {
      throw tooMany(`As many requests as can be held wait for the sandbox ${id} to wake up.`);
    }
    this.#waiting += 1;
    flight.waiting += 1;
    const other = Promise.withResolvers<'gone'>();
    const cancel = this.#clock.after(this.#limits.heldMs, () => other.reject(takesLong(id)));
    onGone(() => other.resolve('gone'));
    try {
      return await Promise.race([flight.awake.then(() => 'awake' as const), other.promise]);
    } finally {
      cancel();
      this.#waiting -= 1;
      flight.waiting -= 1;
    }
  }

  #flight(id: string): Flight {
    const under = this.#flights.get(id);
    if (under) return under;
    const awake = this.#waker.wake(id).finally(() => this.#flights.delete(id));
    awake.catch(() => {}); // whoever waits is told; perhaps nobody does any more
    const flight = { awake, waiting: 0 };
    this.#flights.set(id, flight);
    return flight;
  }
}

function takesLong(id: string): ArcError {
  return new ArcError('starting', `The sandbox ${id} is being woken, which takes longer than usual.`, {
    extra: { sandbox: id },
  });
}
