import type { Level } from '../../contract/states.ts';

/** How many sandboxes more there is room for, by one of the things that a machine has a bounded amount of. */
export interface WallView {
  readonly name: string;
  readonly title: string;
  readonly limit: number;
  readonly used: number;
  /** What one sandbox takes. */
  readonly each: number;
  readonly room: number;
}

/** What only the machine itself can say, to its administrator: the command line is given it where it runs on the node. */
export interface NodeLook {
  /** MemAvailable, bytes. */
  availableBytes(): number;
  /** Whether `faults` can say anything of this level. */
  canSee(level: Level): boolean;
  /** Looks at sandboxes from outside. Faults in words, each with the id; none where all are the whole box. */
  faults(ids: readonly string[], level: Level): Promise<readonly string[]>;
  /** To be called before the first of those that `walls` speaks of was made. */
  begin(): void;
  /**
   * Nearest first.
   * @param ids made since `begin`, and living
   */
  walls(ids: readonly string[], each: { memoryBytes: number | undefined; processes: number }): readonly WallView[];
}
