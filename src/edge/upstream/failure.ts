/** A sandbox's server sent what is not HTTP/1.x. */
export class ProtocolError extends Error {
  override readonly name = 'ProtocolError';
}

export type FailureKind =
  /** Nothing listens on the port. */
  | 'refused'
  /** No connection could be made, for another reason. */
  | 'unreachable'
  /** Connected, but no answer in time. */
  | 'timeout'
  /** The connection ended before the answer did. */
  | 'broken'
  /** The answer is not HTTP. */
  | 'protocol'
  /** The route changed: this connection leads to something else now. */
  | 'cut';

/** Why no (whole) answer came from a sandbox. */
export class UpstreamFailure extends Error {
  override readonly name = 'UpstreamFailure';
  readonly kind: FailureKind;

  constructor(kind: FailureKind, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.kind = kind;
  }
}
