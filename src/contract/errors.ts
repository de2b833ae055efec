/**
 * The registry of error codes. An error is for its reader: `title` says what kind of thing happened, `detail` to
 * what, `hint` what to do. Codes are stable; `docs/reference/errors.md` lists the same ones (a test compares).
 */
export interface ErrorEntry {
  /** HTTP status of the problem document. */
  readonly status: number;
  readonly title: string;
  readonly hint: string;
  /** Can the same request succeed later without being changed? */
  readonly retryable: boolean;
}

const entry = (status: number, title: string, hint: string, retryable = false): ErrorEntry => ({
  status,
  title,
  hint,
  retryable,
});

export const ERRORS = {
  // what the client sent
  invalid_request: entry(400, 'The request is not valid', 'Mend the fields named in `detail`.'),
  invalid_config: entry(400, 'The configuration is not valid', 'Mend every setting named in `detail`.'),
  invalid_template: entry(400, 'The template is not valid', 'Mend the fields named in `detail`.'),
  body_too_large: entry(413, 'The request body is too large', 'Send less, or use the files API for content.'),
  unsupported_media_type: entry(415, 'The content type is not supported', 'Send application/json.'),
  unauthorized: entry(401, 'No valid API key was given', 'Send `Authorization: Bearer KEY`.'),
  access_token_required: entry(
    401,
    'This sandbox wants a token',
    'Open a link to it, or send the token as `Arc-Token`.',
  ),
  forbidden: entry(403, 'This key may not do that', 'Use a key with the scope named in `detail`.'),
  unknown_host: entry(421, 'This host name is not served here', 'Use a host name the server was started with.'),
  not_found: entry(404, 'There is no such thing', 'Check the path.'),
  sandbox_not_found: entry(404, 'There is no such sandbox', 'List them with `arc ls`.'),
  sandbox_gone: entry(410, 'The sandbox is gone', 'Create a new one.'),
  template_not_found: entry(404, 'There is no such template', 'List them with `arc template ls`.'),
  template_in_use: entry(409, 'The template is in use', 'Remove its sandboxes first.'),
  template_exists: entry(409, 'A template of that name exists', 'Remove it first, or choose another name.'),
  key_not_found: entry(404, 'There is no such key', 'List them with `arc key ls`.'),
  hook_not_found: entry(404, 'There is no such hook', 'List them with `arc hook ls`.'),
  secret_not_found: entry(404, 'There is no such secret', 'List them with `arc secret ls`, and set it.'),
  link_not_found: entry(404, 'There is no such link', 'List them with `arc link ID --list`.'),
  exec_not_found: entry(404, 'There is no such command in this sandbox', 'List them with GET …/execs.'),
  file_not_found: entry(404, 'There is no such file in the sandbox', 'Check the path.'),
  file_refused: entry(409, 'That file can not be used this way', 'Only regular files, folders and links can.'),
  file_denied: entry(403, 'The sandbox refuses access to that file', 'Check its owner and mode.'),
  idempotency_conflict: entry(409, 'This idempotency key was used for another request', 'Use a new key.'),
  conflict: entry(409, 'The sandbox changed meanwhile', 'Read it again and retry.', true),
  wrong_state: entry(409, 'The sandbox is not in a state for that', 'See its `state` and `reason`.'),
  life_too_long: entry(409, 'It can not live longer than that', 'Its template sets the limit; create a new one.'),
  cursor_invalid: entry(400, 'The cursor is not valid', 'Start again without a cursor.'),
  method_not_allowed: entry(405, 'That method is not possible here', 'Use one of the methods in `Allow`.'),
  url_too_long: entry(414, 'The address is too long', 'Send less in the path and query.'),
  upgrade_required: entry(426, 'This address speaks WebSocket', 'Connect with a WebSocket client.'),
  quota_exceeded: entry(429, 'A quota is used up', 'Remove something of yours, or ask the operator for more.'),
  rate_limited: entry(429, 'That was asked for too often', 'Wait as long as `Retry-After` says.', true),
  // what the sandbox or its template asks for
  isolation_unavailable: entry(422, 'That isolation level is not to be had here', 'Ask for one of `levels`.'),
  level_refused: entry(
    503,
    'That isolation level failed its verification here',
    'Run `arc verify` to see what an adversary could do; ask for one of `levels` meanwhile.',
  ),
  isolation_too_weak: entry(422, 'The template asks for stronger isolation', 'Ask for its level or a stronger one.'),
  command_not_found: entry(422, 'The command was not found in the sandbox', 'Check the path of the program.'),
  capability_missing: entry(422, 'The program lacks a capability', 'Add the line named in `detail` to the template.'),
  memory_too_small: entry(422, 'The memory limit is too small for the program', 'Raise `memory`.'),
  start_failed: entry(422, 'The sandbox could not be started', 'See `detail` and its logs.'),
  not_ready: entry(504, 'The sandbox did not become ready in time', 'See its logs; raise `ready.timeout`.', true),
  exec_failed: entry(422, 'The command could not be started', 'See `detail`.'),
  timeout: entry(504, 'It took longer than the time that was given', 'Give it more time.', true),
  // images
  image_invalid: entry(422, 'The image is not valid', 'See `detail`.'),
  image_not_found: entry(404, 'The registry has no such image', 'Check the name, tag and your access to it.'),
  image_digest_mismatch: entry(422, 'What the registry sent is not what its digest says', 'Do not use this registry.'),
  registry_denied: entry(403, 'The registry refused the credentials', 'Check user name and password.'),
  registry_unreachable: entry(502, 'The registry did not answer', 'Check the address and the network.', true),
  archive_refused: entry(422, 'The archive holds something that is not allowed', 'See `detail`; nothing was kept.'),
  // the machine
  at_capacity: entry(503, 'The node can not hold more sandboxes now', 'Try again later or remove some.', true),
  starting: entry(503, 'The sandbox is starting', 'Try again in a moment.', true),
  overloaded: entry(503, 'Too many connections at once', 'Try again in a moment.', true),
  sandbox_not_running: entry(
    503,
    'The sandbox is not running',
    'See its `state` and `reason`; `arc restart` starts it again.',
  ),
  port_closed: entry(
    502,
    'Nothing listens on that port of the sandbox',
    'See its logs, or use a port it listens on.',
    true,
  ),
  upstream_failed: entry(502, 'The sandbox gave no proper answer', 'See its logs.'),
  upstream_timeout: entry(504, 'The sandbox did not answer in time', 'See its logs.', true),
  headers_too_large: entry(431, 'The request header is too large', 'Send fewer or smaller header fields.'),
  request_timeout: entry(408, 'The request did not arrive in time', 'Send the whole header at once.', true),
  unavailable: entry(503, 'Arc is starting or stopping', 'Try again in a moment.', true),
  disk_full: entry(507, 'The disk is full', 'Free some space in the data folder.', true),
  data_dir_locked: entry(409, 'Another server uses this data folder', 'Stop it, or use another `--data-dir`.'),
  port_in_use: entry(409, 'The port is in use', 'Stop what uses it, or choose another address.'),
  address_range_in_use: entry(409, 'The address range is in use on this host', 'Set `network.range` to a free one.'),
  not_root: entry(403, 'This needs root', 'Run it as root.'),
  host_unfit: entry(503, 'This machine lacks something that is needed', 'See `detail`, or run `arc doctor`.'),
  helper_unavailable: entry(503, 'The node helper does not answer', 'It is being started again.', true),
  helper_protocol: entry(500, 'The node helper answered something unexpected', 'Run the same version of both.'),
  not_connected: entry(503, 'No server answers', 'Start it with `arc up`.', true),
  internal: entry(500, 'Something went wrong inside Arc', 'See the server log; please report it.'),
} as const satisfies Record<string, ErrorEntry>;

export type ErrorCode = keyof typeof ERRORS;

export interface ArcErrorOptions {
  readonly cause?: unknown;
  /** Members added to the problem document, such as `levels` or `queuePosition`. Never a secret. */
  readonly extra?: Readonly<Record<string, unknown>>;
  /** Replaces the registry's hint where a more exact one is known. */
  readonly hint?: string;
}

/** The one error class of Arc. `message` is the detail: what happened, to what. */
export class ArcError extends Error {
  override readonly name = 'ArcError';
  readonly code: ErrorCode;
  readonly hint: string;
  readonly extra: Readonly<Record<string, unknown>>;

  constructor(code: ErrorCode, detail: string, options: ArcErrorOptions = {}) {
    super(detail, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.hint = options.hint ?? ERRORS[code].hint;
    this.extra = options.extra ?? {};
  }

  get status(): number {
    return ERRORS[this.code].status;
  }

  get retryable(): boolean {
    return ERRORS[this.code].retryable;
  }
}

/** RFC 9457 problem document, `application/problem+json`. */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: ErrorCode;
  readonly hint: string;
  readonly retryable: boolean;
  readonly [extra: string]: unknown;
}

export function toProblem(error: ArcError): Problem {
  return {
    ...error.extra,
    type: `urn:arc:error:${error.code}`,
    title: ERRORS[error.code].title,
    status: error.status,
    detail: error.message,
    code: error.code,
    hint: error.hint,
    retryable: error.retryable,
  };
}

/** Keeps an ArcError as it is; anything else becomes `internal` with the cause chain kept. */
export function asArcError(error: unknown, code: ErrorCode = 'internal'): ArcError {
  if (error instanceof ArcError) return error;
  return new ArcError(code, error instanceof Error ? error.message : String(error), { cause: error });
}
