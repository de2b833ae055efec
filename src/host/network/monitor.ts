import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

/** Hears of every change of the kernel's firewall rules. `onEnd` is called once, when it can hear no longer. */
export type Monitor = (onLine: (line: string) => void, onEnd: () => void) => () => void;

/** `nft monitor`: a program that waits in the kernel and costs nothing until a rule changes. */
export function nftMonitor(nft: string): Monitor {
  return (onLine, onEnd) => {
    const child = spawn(nft, ['monitor'], { env: {}, stdio: ['ignore', 'pipe', 'ignore'] });
    let ended = false;
    const end = () => {
      if (!ended) onEnd();
      ended = true;
    };
    child.on('error', end);
    child.on('exit', end);
    if (child.stdout) createInterface({ input: child.stdout }).on('line', onLine);
    return () => {
      ended = true;
      child.kill('SIGKILL');
    };
  };
}
