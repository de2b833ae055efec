import { Client } from '../sdk/client.ts';
import type { CliEnv } from './env.ts';
import { findServer } from './find-server.ts';
import { quickTransport } from './plain-http.ts';

export async function connect(
  env: CliEnv,
  dataDir: string | undefined,
  options: { readonly sockets?: boolean },
): Promise<Client> {
  const address = findServer(env, dataDir);
  const socket = options.sockets ? (await import('./socket.ts')).wsSocket : undefined;
  return new Client({
    ...address,
    transport: quickTransport,
    wait: (ms, signal) => env.clock.sleep(ms, signal),
    ...(socket ? { socket } : {}),
  });
}
