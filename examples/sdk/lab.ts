import { client } from 'arc/sdk';

/** A lesson on a web app that is vulnerable on purpose: one for each student, and a link that needs no account. */

const { ARC_URL = 'http://127.0.0.1:7700', ARC_API_KEY = '' } = process.env;
const arc = client({ url: ARC_URL, key: ARC_API_KEY });

async function labFor(student: string): Promise<string> {
  // Asked twice, also after an answer that was lost, it is the same sandbox.
  const options = { idempotencyKey: `notes-${student}` };
  const labels = { course: 'web-security', student };
  const request = { template: 'vulnerable-notes', labels, network: 'none', ttl: '90m' } as const;
  const sandbox = await arc.sandboxes.create(request, options);
  const { url } = await sandbox.link({ may: ['app', 'logs', 'extend', 'reset'], for: '2h' });
  return url ?? '';
}

for (const student of ['ada', 'grace']) console.log(`${student}: ${await labFor(student)}`);

// At the end of the lesson, whatever has become of them.
for await (const sandbox of arc.sandboxes.list({ labels: ['course=web-security'] })) {
  const { state, stops } = sandbox.info;
  console.log(`${sandbox.info.labels.student}: ${state}, stops ${stops?.at ?? 'never'}`);
  await sandbox.remove();
}
