import type { ErrorEntry } from '../../../contract/errors.ts';

const HEAD = `# Errors

Every error of the API and of the command line has one of these codes. The API answers it as a problem document
(RFC 9457, \`application/problem+json\`):

    {"type":"urn:arc:error:sandbox_not_found","title":"There is no such sandbox","status":404,
     "detail":"there is no sandbox sb-…","code":"sandbox_not_found","hint":"List them with \`arc ls\`.","retryable":false}

\`code\` is stable and is what programs should look at; \`detail\` says what happened to what, \`hint\` what to do about it.
\`retryable\` says whether the same request can succeed later without being changed. \`invalid_request\` and
\`invalid_template\` also carry \`faults\`, one for each field that is not right.

| code | status | again? | what it means | what to do |
| --- | --- | --- | --- | --- |
`;

/** The page \`docs/reference/errors.md\`; a test holds it equal to the registry. */
export function errorsPage(errors: Readonly<Record<string, ErrorEntry>>): string {
  const rows = Object.entries(errors).map(
    ([code, { status, retryable, title, hint }]) =>
      `| \`${code}\` | ${status} | ${retryable ? 'yes' : 'no'} | ${title} | ${hint} |\n`,
  );
  return HEAD + rows.join('');
}
