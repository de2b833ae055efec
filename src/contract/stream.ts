import type { Exit } from './spec.ts';

/**
 * The WebSocket protocol of `/exec` and `/terminal`.
 *
 * Binary messages: the first byte is the channel, the rest is data. Text messages are one JSON object each.
 *
 * `/v1/sandboxes/{id}/exec`: the client's first message is the `ExecRequest` as text, or `{"join":"ex-…"}`.
 * `/v1/sandboxes/{id}/terminal`: the client's first message is a `TerminalRequest`, or `{"join":"ex-…"}`.
 * The server then sends `started`; at the end `exit`, and closes with 1000. An error is `error` with a problem
 * document, then close 1011 (or 1008 for the client's fault).
 */
export const CHANNEL = { stdin: 0, stdout: 1, stderr: 2 } as const;

export interface TerminalRequest {
  /** Default: the first of bash, sh that the sandbox has. */
  readonly command?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly user?: string;
  readonly cols: number;
  readonly rows: number;
}

export interface JoinRequest {
  readonly join: string;
}

export type ClientMessage =
  | { readonly type: 'signal'; readonly signal: string }
  | { readonly type: 'stdin-close' }
  | { readonly type: 'resize'; readonly cols: number; readonly rows: number };

export type ServerMessage =
  | { readonly type: 'started'; readonly id: string; readonly sandbox: string; readonly tty: boolean }
  | { readonly type: 'exit'; readonly exit: Exit; readonly timedOut: boolean }
  | { readonly type: 'error'; readonly problem: Record<string, unknown> };

/** Bounds on both sides of the stream; a message beyond them closes the connection with 1009. */
export const STREAM_MESSAGE_BYTES_MAX = 1_048_576;
