import { ArcError } from '../contract/errors.ts';
import type { RouteEntry } from './table.ts';
import type { UpstreamFailure } from './upstream/failure.ts';
import { happened } from './words.ts';

/** Errors of the edge, each saying to which sandbox what happened, and when. */

export function unknownSandbox(id: string): ArcError {
  return new ArcError('sandbox_not_found', `There is no sandbox ${id} here.`);
}

/** Why this sandbox takes no traffic now. */
export function notServing({ route, since }: RouteEntry, now: number): ArcError {
  const story = happened(route.state, route.reason, route.detail, since, now);
  const extra = { sandbox: route.id, state: route.state, reason: route.reason, since: new Date(since).toISOString() };
  switch (route.state) {
    case 'removed':
      return new ArcError('sandbox_gone', `The sandbox ${route.id} is gone. ${story}`, { extra });
    case 'queued':
    case 'starting':
      return new ArcError('starting', `The sandbox ${route.id} is ${route.state}. ${story}`, { extra });
    case 'running':
    case 'warned':
      return new ArcError('upstream_failed', `The sandbox ${route.id} has no address now.`, { extra });
    default:
      return new ArcError('sandbox_not_running', `The sandbox ${route.id} is ${route.state}. ${story}`, { extra });
  }
}

export function stillAsleep(id: string): ArcError {
  return new ArcError('starting', `The sandbox ${id} goes to sleep as often as it is woken.`, {
    extra: { sandbox: id },
  });
}

export function noPort(id: string): ArcError {
  return new ArcError('port_closed', `The template of ${id} names no port.`, {
    hint: `Name one in the host: PORT-${id}.`,
    extra: { sandbox: id, ports: [] },
  });
}

export function tooMany(what: string): ArcError {
  return new ArcError('overloaded', what);
}

export function bodyStalled(ms: number): ArcError {
  return new ArcError('request_timeout', `Nothing more of the body of the request came for ${ms} ms.`, {
    hint: 'Send the whole body without long pauses.',
  });
}

/** Why a sandbox that runs gave no (whole) answer. */
export function upstreamError(entry: RouteEntry, port: number, failure: UpstreamFailure): ArcError {
  const { id, ports } = entry.route;
  const extra = { sandbox: id, port, ports };
  const options = { extra, cause: failure };
  switch (failure.kind) {
    case 'refused': {
      const declared = ports.length === 0 ? 'Its template names no port' : `Its template names ${ports.join(', ')}`;
      return new ArcError(
        'port_closed',
        `The sandbox ${id} runs, but nothing listens on port ${port}. ${declared}.`,
        options,
      );
    }
    case 'timeout':
      return new ArcError('upstream_timeout', `Port ${port} of the sandbox ${id}: ${failure.message}.`, options);
    case 'unreachable':
    case 'broken':
    case 'protocol':
    case 'cut':
      return new ArcError('upstream_failed', `Port ${port} of the sandbox ${id}: ${failure.message}.`, options);
  }
}
