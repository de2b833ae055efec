import type { ComponentType, JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import type { Sandbox } from '../../sdk/index.ts';
import { attempt } from './toast.tsx';

/** The terminal is the largest part of the console, so it comes when it is wanted. */
export function LazyTerminals({ sandbox }: { readonly sandbox: Sandbox }): JSX.Element {
  const [held, setHeld] = useState<{ Part: ComponentType<{ sandbox: Sandbox }> }>();
  useEffect(() => {
    void attempt(async () => {
      const { default: Part } = await import('../terminal/terminals.tsx');
      setHeld({ Part });
    });
  }, []);
  return held ? <held.Part sandbox={sandbox} /> : <section class="terminal" aria-label="Terminals" />;
}
