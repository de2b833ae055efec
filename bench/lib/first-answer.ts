import { request } from 'node:http';

/** GET again and again until the first 200; every try is a new connection, without a pause beyond one turn of the loop. */
export async function firstAnswer(url: string, headers: Record<string, string>, timeoutMs: number): Promise<number> {
  const end = performance.now() + timeoutMs;
  for (let tries = 1; ; tries++) {
    if (await answers(url, headers)) return tries;
    if (performance.now() > end) throw new Error(`${url} gave no 200 within ${timeoutMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

function answers(url: string, headers: Record<string, string>): Promise<boolean> {
  return new Promise((resolve) => {
    const sent = request(url, { headers, agent: false, timeout: 2_000 }, (response) => {
      response.resume();
      response.on('end', () => resolve(response.statusCode === 200));
      response.on('error', () => resolve(false));
    });
    sent.on('error', () => resolve(false));
    sent.on('timeout', () => sent.destroy());
    sent.end();
  });
}
