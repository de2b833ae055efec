import { Type } from 'typebox';
import {
  AlertReport,
  type FiringView,
  HookRequest,
  HookTestResult,
  HookTryView,
  HookView,
} from '../../../contract/schemas/hook.ts';
import type { FiringAlert, HookRecord, HookStatus } from '../../service.ts';
import { type ApiContext, type App, answer, callerOf, noContent } from '../app.ts';
import { present, rfc3339 } from '../view.ts';
import { items } from './query.ts';

const tags = ['hooks'];
const params = Type.Object({ id: Type.String() }, { additionalProperties: false });

/** Where changes and alerts are sent to. For admins only: whoever names an address makes this machine ask there. */
export function hookRoutes(app: App, { deps }: ApiContext): void {
  const { hooks, alerts } = deps;
  app.get(
    '/v1/alerts',
    {
      schema: {
        tags,
        summary: 'What an operator should know of now, what is over, and when each alert is told',
        response: { 200: answer('All', AlertReport) },
      },
    },
    async (request): Promise<AlertReport> => {
      const { firing, over, rules } = alerts.report(callerOf(request));
      return {
        items: firing.map(firingView),
        over: over.map((one) => ({ ...firingView(one), endedAt: rfc3339(one.endedAt) })),
        rules: [...rules],
      };
    },
  );
  app.get(
    '/v1/hooks',
    { schema: { tags, summary: 'List hooks', response: { 200: answer('All', items('HookList', HookView)) } } },
    async (request) => ({ items: (await hooks.list(callerOf(request))).map(hookView) }),
  );
  app.post(
    '/v1/hooks',
    {
      schema: {
        tags,
        summary: 'Send changes to an address; the secret that signs them is shown only now',
        body: HookRequest,
        response: { 201: answer('With its secret', HookView) },
      },
    },
    async (request, reply): Promise<HookView> => {
      const { url, format = 'standard', events = ['sandbox'], labels = [], owner } = request.body;
      const filter = { events, labels, ...(owner === undefined ? {} : { owner }) };
      const made = await hooks.create(callerOf(request), { url, format, filter });
      reply.code(201).header('location', `/v1/hooks/${made.hook.id}`);
      return { ...hookView(made), secret: made.hook.secret };
    },
  );
  app.get(
    '/v1/hooks/:id/deliveries',
    {
      schema: {
        ...{ tags, summary: 'Its last tries in this run of the server, the newest first', params },
        response: {
          200: answer('Fifty that were taken at most, and fifty that were not', items('HookTryList', HookTryView)),
        },
      },
    },
    async (request) => ({
      items: hooks
        .deliveries(callerOf(request), request.params.id)
        .map(({ at, ...one }) => ({ time: rfc3339(at), ...one })),
    }),
  );
  app.delete(
    '/v1/hooks/:id',
    {
      schema: {
        tags,
        summary: 'Send nothing there any more',
        params,
        response: { 204: Type.Null({ description: 'Done' }) },
      },
    },
    async (request, reply) => {
      await hooks.remove(callerOf(request), request.params.id);
      return noContent(reply);
    },
  );
  app.post(
    '/v1/hooks/:id/test',
    {
      schema: {
        tags,
        summary: 'Send one message now, and see what comes of it',
        params,
        response: { 200: answer('What came of it', HookTestResult) },
      },
    },
    async (request) => await hooks.test(callerOf(request), request.params.id),
  );
}

function firingView({ name, subject, severity, summary, since }: FiringAlert): FiringView {
  return { name, subject, severity, summary, since: rfc3339(since) };
}

function hookView({ hook, status }: { readonly hook: HookRecord; readonly status: HookStatus }): HookView {
  const { id, url, format, filter, createdAt } = hook;
  const { retryAt, problem, ...counts } = status;
  return {
    ...{ id, url, format, events: [...filter.events], labels: [...filter.labels], createdAt: rfc3339(createdAt) },
    ...counts,
    ...present({ owner: filter.owner, problem, retryAt: retryAt === undefined ? undefined : rfc3339(retryAt) }),
  };
}
