import type { Event } from '../../../contract/schemas/sandbox.ts';
import { signedHeaders } from '../../../domain/hooks/sign.ts';
import { slackMessage } from '../../../domain/hooks/slack.ts';
import { eventName } from '../../../domain/hooks/wanted.ts';
import type { HookRecord } from '../../service.ts';
import type { Message } from './send.ts';

type Target = Pick<HookRecord, 'id' | 'url' | 'format' | 'secret'>;

/** The same event has the same id at every try, so that a receiver knows what it has seen already. */
export function eventMessage(hook: Target, event: Event, now: number): Message {
  const body =
    hook.format === 'slack' ? slackMessage(event) : { type: eventName(event), timestamp: event.time, data: event };
  return compose(hook, `${hook.id}.${event.id}`, body, now);
}

export function testMessage(hook: Target, id: string, now: number): Message {
  const time = new Date(now).toISOString();
  const body =
    hook.format === 'slack'
      ? { text: `This is a test by Arc of the hook ${hook.id}.` }
      : { type: 'test', timestamp: time, data: { hook: hook.id } };
  return compose(hook, `${hook.id}.${id}`, body, now);
}

function compose(hook: Target, id: string, content: unknown, at: number): Message {
  const body = JSON.stringify(content);
  const headers = {
    'content-type': 'application/json',
    'user-agent': 'Arc',
    ...signedHeaders(hook.secret, { id, at, body }),
  };
  return { url: hook.url, headers, body };
}
