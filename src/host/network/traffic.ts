import { readFile } from 'node:fs/promises';

/** Bytes as the sandbox sees them: what it received is what the host's end of the link sent. */
export async function readTraffic(hostInterface: string): Promise<{ rxBytes: number; txBytes: number }> {
  const counter = async (name: string) =>
    Number(await readFile(`/sys/class/net/${hostInterface}/statistics/${name}`, 'utf8').catch(() => '0'));
  const [rxBytes, txBytes] = await Promise.all([counter('tx_bytes'), counter('rx_bytes')]);
  return { rxBytes, txBytes };
}
