import { ArcError, ERRORS, type ErrorCode } from '../contract/errors.ts';

const STANDARD_MEMBERS = new Set(['type', 'title', 'status', 'detail', 'code', 'hint', 'retryable']);

/** The typed error of a problem document. A code that this version does not know keeps its name in `extra.code`. */
export function fromProblem(problem: Readonly<Record<string, unknown>>, status?: number): ArcError {
  const named = typeof problem.code === 'string' ? problem.code : '';
  const known = Object.hasOwn(ERRORS, named);
  const extra: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(problem)) if (!STANDARD_MEMBERS.has(key)) extra[key] = value;
  if (!known && named !== '') extra.code = named;
  const detail = firstText(problem.detail, problem.title) ?? `the server answered ${status ?? 'an error'}`;
  const hint = firstText(problem.hint);
  const code = known ? (named as ErrorCode) : codeForStatus(status);
  return new ArcError(code, detail, { extra, ...(hint === undefined ? {} : { hint }) });
}

/** For answers that are no problem documents: something between us and the server spoke. */
export function codeForStatus(status: number | undefined): ErrorCode {
  if (status === 401) return 'unauthorized';
  if (status === 403) return 'forbidden';
  if (status === 404) return 'not_found';
  if (status === 413) return 'body_too_large';
  if (status === 502 || status === 503 || status === 504) return 'unavailable';
  return status !== undefined && status < 500 ? 'invalid_request' : 'internal';
}

function firstText(...values: unknown[]): string | undefined {
  return values.find((value): value is string => typeof value === 'string' && value !== '');
}
