import { useEffect, useState } from 'preact/hooks';
import { errorText } from '../parts/toast.tsx';
import { every } from './clock.ts';
import { noteError } from './session.ts';

/** What a page asks the server for: at first, when it is told to, and at intervals where nothing tells of changes. */
export interface Loaded<T> {
  readonly value: T | undefined;
  /** Why there is none, in the words of the server. */
  readonly problem: string | undefined;
  readonly again: () => void;
}

export function useLoaded<T>(ask: () => Promise<T>, everyMs?: number): Loaded<T> {
  const [value, setValue] = useState<T>();
  const [problem, setProblem] = useState<string>();
  const load = () => {
    ask().then(
      (found) => {
        setValue(found);
        setProblem(undefined);
      },
      (error: unknown) => {
        noteError(error);
        setProblem(errorText(error));
      },
    );
  };
  useEffect(() => {
    load();
    return everyMs === undefined ? undefined : every(everyMs, load);
  }, []);
  return { value, problem, again: load };
}
