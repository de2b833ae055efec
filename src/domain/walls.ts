/** Something that a machine has a bounded amount of, and of which every sandbox takes some. */
export interface Supply {
  /** Stable, for programs. */
  readonly name: string;
  /** For people, such as `processes (kernel.pid_max)`. */
  readonly title: string;
  readonly limit: number;
  readonly used: number;
  /** What one sandbox more takes. */
  readonly each: number;
}

export interface Wall extends Supply {
  /** How many sandboxes more there is room for. */
  readonly room: number;
}

/** Which supply is used up first by sandboxes like those that were measured: nearest first. What costs nothing bounds nothing. */
export function walls(supplies: readonly Supply[]): readonly Wall[] {
  return supplies
    .filter(({ each, limit }) => each > 0 && Number.isFinite(limit))
    .map((supply) => ({ ...supply, room: Math.max(0, Math.floor((supply.limit - supply.used) / supply.each)) }))
    .sort((a, b) => a.room - b.room);
}
