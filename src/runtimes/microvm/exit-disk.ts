import { open, readFile } from 'node:fs/promises';
import type { Exit } from '../../contract/spec.ts';
import { exitOf } from '../../host/helper/answers.ts';
import { Fields } from '../../host/helper/wire.ts';

/** One sector: the machine writes into it how its program ended. It outlives the machine, and can not grow. */
const BYTES = 512;

/** An empty one, owned by root of the sandbox. */
export async function makeExitDisk(path: string, owner: number): Promise<void> {
  const file = await open(path, 'w', 0o600);
  try {
    await file.truncate(BYTES);
    await file.chown(owner, owner);
  } finally {
    await file.close();
  }
}

/**
 * How the program of a machine that is gone has ended. The monitor's own end only says when: a machine that wrote nothing was
 * ended from outside, or broke down.
 */
export async function readExit(path: string, incarnation: number, monitor: Exit): Promise<Exit> {
  const sector = await readFile(path).catch(() => Buffer.alloc(0));
  const said = fieldsOf(sector.subarray(0, BYTES));
  if (said !== undefined && said.get('inc') === String(incarnation)) {
    const { code, signal, oom } = exitOf(said);
    return { code, signal, oom, at: monitor.at };
  }
  if (monitor.signal !== null || monitor.oom) return { ...monitor, code: null };
  return { code: null, signal: null, oom: false, at: monitor.at, note: 'its virtual machine broke down' };
}

/** The machine is not trusted with its own sector: whatever is no row of fields says nothing. */
function fieldsOf(sector: Buffer): Fields | undefined {
  const end = sector.indexOf('\0\0');
  if (end <= 0) return undefined;
  try {
    const fields = new Fields(sector.subarray(0, end + 1));
    const numbers = ['code', 'signal', 'at', 'inc'].map((key) => fields.get(key)).filter((one) => one !== undefined);
    return numbers.every((one) => /^[0-9]{1,15}$/.test(one)) ? fields : undefined;
  } catch {
    return undefined;
  }
}
