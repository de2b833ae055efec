import { ArcError } from '../contract/errors.ts';
import type { CreateRequest } from '../contract/schemas/sandbox.ts';
import { formatDuration } from '../contract/units.ts';
import type { Client } from '../sdk/client.ts';
import type { Sandbox } from '../sdk/sandbox.ts';
import type { CliEnv } from './env.ts';
import type { Interruption } from './interruption.ts';
import type { Output } from './output.ts';

/**
 * A sandbox for one program. It lives on a short lease that is renewed while we are here, so that it goes even when this
 * process is killed in a way that leaves no time to remove it.
 */
const LEASE_MS = 120_000;
const RENEW_MS = 40_000;
/** How long an interrupted create is waited for, so that what it made can be removed, ms. */
const CREATE_PATIENCE_MS = 10_000;
const START_POLL_MS = 200;
const REMOVE_TRIES = 5;
const REMOVE_RETRY_MS = 500;

/** For images whose own command would end at once without input: something that only stays. */
const STAY = ['sleep', '2147483647'];

export interface Throwaway extends AsyncDisposable {
  readonly handle: Sandbox;
}

interface Surroundings {
  readonly env: CliEnv;
  readonly err: Output;
  readonly interruption: Interruption;
}

export async function makeThrowaway(client: Client, request: CreateRequest, around: Surroundings): Promise<Throwaway> {
  const leased = request.ttl === undefined;
  const handle = await createPatiently(
    client,
    leased ? { ...request, ttl: formatDuration(LEASE_MS) } : request,
    around,
  );
  const over = new AbortController();
  if (leased) renew(handle, around.env, over.signal).catch(() => {});
  const throwaway = {
    handle,
    async [Symbol.asyncDispose]() {
      over.abort();
      await removeSurely(handle, around);
    },
  };
  try {
    await untilStarted(handle, around);
    return throwaway;
  } catch (error) {
    await throwaway[Symbol.asyncDispose]();
    throw error;
  }
}

/** The server answers a create that takes long before it is over; how long a start may take is the server's to say. */
async function untilStarted(handle: Sandbox, { env, interruption }: Surroundings): Promise<void> {
  const over = new AbortController();
  const stop = interruption.listen(() => over.abort());
  try {
    while (!over.signal.aborted && ['queued', 'starting'].includes(handle.info.state)) {
      await env.clock.sleep(START_POLL_MS, over.signal).catch(() => {});
      await handle.refresh();
    }
  } finally {
    stop();
  }
}

/** Giving a create up in the middle could leave a sandbox that nobody knows; so it is given up only when it takes long. */
async function createPatiently(
  client: Client,
  request: CreateRequest,
  { env, interruption }: Surroundings,
): Promise<Sandbox> {
  const givingUp = new AbortController();
  const done = new AbortController();
  const stop = interruption.listen((signal, count) => {
    const giveUp = () => givingUp.abort(new Error(`interrupted by ${signal}`));
    if (count > 1) giveUp();
    else env.clock.sleep(CREATE_PATIENCE_MS, done.signal).then(giveUp, () => {});
  });
  try {
    return await createOnce(client, request, givingUp.signal);
  } finally {
    stop();
    done.abort();
  }
}

async function createOnce(client: Client, request: CreateRequest, signal: AbortSignal): Promise<Sandbox> {
  const { template } = await client.templates.get(request.template);
  const staysByItself = 'builtin' in template.root || template.ready !== undefined || (template.ports?.length ?? 0) > 0;
  if (staysByItself) return client.sandboxes.create(request, { signal });
  try {
    return await client.sandboxes.create({ ...request, command: STAY }, { signal });
  } catch (error) {
    // An image without `sleep` can only stay by what it runs itself.
    if (error instanceof ArcError && error.code === 'command_not_found')
      return client.sandboxes.create(request, { signal });
    throw error;
  }
}

async function renew(handle: Sandbox, env: CliEnv, signal: AbortSignal): Promise<void> {
  for (;;) {
    await env.clock.sleep(RENEW_MS, signal);
    // A server that is away for a moment is asked again the next time; the lease is three times as long.
    await handle.extend(formatDuration(LEASE_MS)).catch(() => {});
  }
}

async function removeSurely(handle: Sandbox, { env, err }: Surroundings): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    try {
      await handle.remove();
      return;
    } catch (error) {
      if (error instanceof ArcError && (error.code === 'sandbox_gone' || error.code === 'sandbox_not_found')) return;
      if (tries >= REMOVE_TRIES) {
        const reason = error instanceof Error ? error.message : String(error);
        const text = `arc: ${handle.id} could not be removed (${reason}); it stops by itself when its time is over`;
        await err.line(text).catch(() => {});
        return;
      }
      await env.clock.sleep(REMOVE_RETRY_MS);
    }
  }
}
