/** What `arc up` says, for people or as one JSON object a line. */
export interface Announce {
  step(line: string): void;
  ready(facts: ReadyFacts): void;
}

export interface ReadyFacts {
  readonly api: string;
  readonly edge: string;
  readonly domain: string;
  readonly dataDir: string;
  readonly pid: number;
  readonly tookMs: number;
  readonly sandboxes: number;
  /** It runs without root. */
  readonly plain?: boolean;
}

export function announcer(json: boolean, write: (line: string) => void): Announce {
  if (json) {
    return {
      step: (line) => write(JSON.stringify({ event: 'step', line })),
      ready: (facts) => write(JSON.stringify({ event: 'ready', ...facts })),
    };
  }
  return {
    step: (line) => write(`· ${line}`),
    ready: (facts) => {
      const { protocol, port } = new URL(facts.edge);
      const address = `${protocol}//ID.${facts.domain}${port === '' ? '' : `:${port}`}`;
      write(`ready after ${(facts.tookMs / 1000).toFixed(1)} s`);
      write(`  API        ${facts.api}  (page: ${facts.api}/docs)`);
      write(`  sandboxes  ${address}  (${facts.sandboxes} running)`);
      write(`  key        ${facts.dataDir}/admin.key`);
      write(`  try        ./arc ${facts.plain ? "run python -- python3 -c 'print(6*7)'" : 'create whoami'}`);
    },
  };
}
