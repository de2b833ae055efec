import { ArcError } from '../../../contract/errors.ts';
import { VerifyReport } from '../../../contract/schemas/verify.ts';
import { type ApiContext, type App, answer } from '../app.ts';
import { capability } from './exec-order.ts';

const tags = ['system'];

/** What an adversary can do in a sandbox of every level. */
export function verifyRoutes(app: App, { deps }: ApiContext): void {
  const { engine } = deps.sandboxes;
  app.post(
    '/v1/verify',
    {
      schema: {
        tags,
        summary: 'Run an adversary in a sandbox of every level, and say what it could do',
        description:
          'Takes some seconds for each level. A level with a finding takes no work until it is verified again and has none.',
        response: { 200: answer('What was tried and found', VerifyReport) },
      },
    },
    async () => await capability(engine, engine.verify, 'verify its levels').run(),
  );
  app.get(
    '/v1/verify',
    { schema: { tags, summary: 'The newest report', response: { 200: answer('It', VerifyReport) } } },
    async () => {
      const report = await capability(engine, engine.verify, 'verify its levels').last();
      if (report === undefined) throw new ArcError('not_found', 'no level has been verified yet');
      return report;
    },
  );
}
