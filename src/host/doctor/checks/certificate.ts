import { type Check, fail, ok, type Verdict, warn } from '../check.ts';

/** As the edge notes how its certificate stands; times in ms since the epoch. */
interface Noted {
  readonly until?: number;
  readonly failure?: { readonly count: number; readonly what: string };
}

export const certificateChecks: readonly Check[] = [
  {
    id: 'edge.certificate',
    title: 'Certificate by ACME',
    cost: 'browsers and programs do not connect by TLS once the certificate has ended',
    fix: 'Mend what it says: for HTTP-01 port 80 of the domain must lead to the edge, for DNS-01 look at the hook. It is tried again by itself.',
    look: (probe, { dataDir, acme }) => {
      if (!acme) return ok('none is had by ACME');
      const text = probe.readFile(`${dataDir}/acme/state.json`);
      return text === undefined ? ok('nothing was asked for yet') : judge(JSON.parse(text) as Noted, probe.now());
    },
  },
];

function judge({ until, failure }: Noted, now: number): Verdict {
  const why = failure === undefined ? '' : `; tried ${failure.count} times: ${failure.what}`;
  if (until === undefined) return fail(`there is none${why}`);
  const day = new Date(until).toISOString().slice(0, 10);
  if (until <= now) return fail(`ended on ${day}${why}`);
  return failure === undefined ? ok(`until ${day}`) : warn(`ends on ${day}, and can not be renewed${why}`);
}
