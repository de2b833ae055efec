/** What operators are told of, as the control plane gives it. */

export interface AlertReport {
  readonly firing: readonly FiringAlert[];
  /** The newest first. */
  readonly over: readonly OverAlert[];
  readonly rules: readonly { readonly name: string; readonly when: string }[];
}

export interface OverAlert extends FiringAlert {
  /** When it was told that it is over, ms since the epoch. */
  readonly endedAt: number;
}

export interface FiringAlert {
  readonly name: string;
  readonly subject: string;
  readonly severity: 'warning' | 'critical';
  readonly summary: string;
  /** ms since the epoch. */
  readonly since: number;
}
