import { client } from 'arc/sdk';

/** Follows what happens, and what one sandbox prints. Both go on by themselves after a lost connection. */

const { ARC_URL = 'http://127.0.0.1:7700', ARC_API_KEY = '' } = process.env;
const arc = client({ url: ARC_URL, key: ARC_API_KEY });
const leave = new AbortController();

async function tell(): Promise<void> {
  const here = Promise.withResolvers<void>();
  const telling = (async () => {
    for await (const event of arc.events({ signal: leave.signal, onConnected: () => here.resolve() })) {
      if (event.type === 'sandbox') console.log(`${event.subject} is ${event.state} (${event.reason})`);
      if (event.state === 'removed') return;
    }
  })();
  await here.promise;
  const sandbox = await arc.sandboxes.create({ template: 'whoami' });
  for await (const { seq, stream, data } of sandbox.logs({ signal: leave.signal }))
    console.log(seq, stream, data.trim());
  await sandbox.extend('10m');
  await sandbox.remove();
  await telling;
}

await tell();
leave.abort();
