import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { EdgeTally } from '../../../src/edge/figures.ts';
import { silentLogger } from '../../../src/kit/logger.ts';
import { realClock, realRng } from '../../../src/kit/real.ts';
import { sendMessage } from '../../../src/main/send-message.ts';
import { metricsDocument } from '../../../src/server/http/index.ts';
import { CreateTraces } from '../../../src/server/trace/traces.ts';
import { startOverPlane } from './control-plane.ts';
import { until } from './harness.ts';
import { RealReceiver } from './receiver.ts';

const text = async (port: number, path: string, key?: string) => {
  const headers: Record<string, string> = key === undefined ? {} : { authorization: `Bearer ${key}` };
  const response = await fetch(`http://127.0.0.1:${port}${path}`, { headers });
  return { status: response.status, body: await response.text() };
};

test('the page of metrics has every metric, and no other', () => {
  const page = readFileSync(join(import.meta.dirname, '../../../docs/reference/metrics.md'), 'utf8');
  assert.equal(page, metricsDocument(), 'write it again with `./arc dev reference`');
});

test('parts of a start, states, queue and node are shown, and nothing of any one sandbox', async () => {
  await using arc = await startOverPlane();
  await arc.begin();
  const { body } = await arc.call('POST', '/v1/sandboxes', { template: 'web', labels: { user_id: 'secret-42' } });
  const { body: shown } = await text(arc.port, '/metrics');
  for (const phase of ['create', 'ready', 'commit']) {
    assert.match(shown, new RegExp(`arc_start_phase_seconds_count\\{phase="${phase}",isolation="container"\\} 1`));
  }
  assert.match(shown, /arc_sandboxes\{state="running"\} 1/);
  assert.match(shown, /arc_queue_waiting 0/);
  assert.match(shown, /arc_starts_recent\{result="done"\} 1/);
  for (const private_ of [String(body.id), 'secret-42', 'user_id']) assert.ok(!shown.includes(private_), private_);
});

test('metrics of each sandbox are for admins, with the labels that were asked for and no others', async () => {
  await using arc = await startOverPlane();
  await arc.begin();
  const labels = { user_id: '42', 'course/group': 'b"1', other: 'unasked' };
  const { body } = await arc.call('POST', '/v1/sandboxes', { template: 'web', labels });
  assert.equal((await text(arc.port, '/v1/metrics')).status, 401);
  const { body: key } = await arc.call('POST', '/v1/keys', { name: 'ada', owner: 'ada', scopes: ['sandboxes:read'] });
  assert.equal((await text(arc.port, '/v1/metrics', String(key.secret))).status, 403);
  const asked = '/v1/metrics?label=user_id&label=course/group';
  const { body: shown } = await text(arc.port, asked, arc.admin);
  const line = shown.split('\n').find((one) => one.startsWith('arc_sandbox_memory_bytes{')) ?? '';
  assert.match(line, new RegExp(`sandbox="${body.id}"`));
  assert.match(line, /label_user_id="42"/);
  assert.match(line, /label_course_group="b\\"1"/);
  assert.ok(!shown.includes('unasked'));
  const many = Array.from({ length: 9 }, (_, at) => `label=l${at}`).join('&');
  assert.equal((await text(arc.port, `/v1/metrics?${many}`, arc.admin)).status, 400);
});

interface Spans {
  readonly resourceSpans: {
    readonly scopeSpans: {
      readonly spans: {
        name: string;
        traceId: string;
        spanId: string;
        parentSpanId?: string;
        startTimeUnixNano: string;
      }[];
    }[];
  }[];
}

test('a create is one trace from its request to the first byte, in the trace of its client', async () => {
  await using collector = await RealReceiver.started();
  const edge = new EdgeTally(() => 0);
  await using arc = await startOverPlane({
    traces: (vitals) => {
      const deps = { collector: `http://127.0.0.1:${collector.port}`, version: '0.1.0', logger: silentLogger };
      return new CreateTraces({ ...deps, clock: realClock, rng: realRng, send: sendMessage }, vitals, edge);
    },
  });
  await arc.begin();
  const traceId = '0af7651916cd43dd8448eb211c80319c';
  const traceparent = `00-${traceId}-b7ad6b7169203331-01`;
  const { body } = await arc.call('POST', '/v1/sandboxes', { template: 'web' }, arc.admin, { traceparent });
  edge.note({ by: 'sandbox', id: String(body.id), status: 200, ms: 3 });
  const spans = () =>
    collector.got.flatMap(({ body: sent }) =>
      (sent as unknown as Spans).resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap((scope) => scope.spans)),
    );
  await until(() => spans().some(({ name }) => name === 'first byte'), 'the last span');
  const root = spans().find(({ name }) => name === 'POST /v1/sandboxes');
  assert.ok(root?.parentSpanId === 'b7ad6b7169203331');
  const parts = spans().filter(({ parentSpanId }) => parentSpanId === root.spanId);
  assert.deepEqual(parts.map(({ name }) => name).sort(), ['commit', 'create', 'first byte', 'ready']);
  for (const span of spans()) {
    assert.equal(span.traceId, traceId);
    assert.match(span.startTimeUnixNano, /^[0-9]{19}$/);
  }
});
