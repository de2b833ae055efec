/** How long nobody has used a sandbox: an open connection counts as use, but one that says nothing not for ever. */
export interface UseFacts {
  /** When it was last used: a request, a byte in either direction, a command. ms on any clock; may lie ahead. */
  readonly usedAt: number;
  /** Connections and commands that are open now. */
  readonly open: number;
}

/** @param silentMs how long an open connection that says nothing counts as use */
export function quietFor({ usedAt, open }: UseFacts, now: number, silentMs: number): number {
  return now - (open > 0 ? Math.max(usedAt, Math.min(now, usedAt + silentMs)) : usedAt);
}
