import { ArcError } from '../contract/errors.ts';
import type { ResolvedSpec } from '../contract/spec.ts';

/** Of a program's output, as much of the end as is looked at and shown. */
const DETAIL_CHARS_MAX = 2_000;

/** Words in a program's last output that tell which capability it tried to use. The first match names the line. */
const SIGNS: readonly { readonly pattern: RegExp; readonly capabilities: readonly string[] }[] = [
  { pattern: /initgroups|setgid|setgroups|setegid|setresgid/i, capabilities: ['SETUID', 'SETGID'] },
  {
    pattern: /setuid|seteuid|setresuid|set_?user|drop.{0,20}privilege|change (to )?user/i,
    capabilities: ['SETUID', 'SETGID'],
  },
  { pattern: /chown|change owner|changing ownership/i, capabilities: ['CHOWN'] },
  { pattern: /chroot/i, capabilities: ['SYS_CHROOT'] },
  { pattern: /chmod|utime/i, capabilities: ['FOWNER'] },
  { pattern: /\bkill\b/i, capabilities: ['KILL'] },
  { pattern: /\b(open|mkdir|unlink|rename|access)\b/i, capabilities: ['DAC_OVERRIDE'] },
];
const REFUSAL = /operation not permitted|permission denied|EPERM|EACCES|not permitted/i;

/**
 * For a program that ended early or never became ready: when its output says that something was refused, the error names
 * the line for the template. `undefined` when nothing points at a capability that it doesn't have.
 * @param output the end of what the program printed
 */
export function missingCapability(output: string, spec: ResolvedSpec): ArcError | undefined {
  const held = new Set(spec.capabilities);
  for (const line of clean(output).split('\n').reverse()) {
    if (!REFUSAL.test(line)) continue;
    const sign = SIGNS.find(({ pattern }) => pattern.test(line));
    const lacking = sign?.capabilities.filter((name) => !held.has(name)) ?? [];
    if (lacking.length === 0) continue;
    const wanted = [...spec.capabilities, ...lacking];
    const advice = `capabilities: [${wanted.join(', ')}]`;
    return new ArcError('capability_missing', `the program said "${line.trim()}"; add ${advice} to the template`, {
      hint: `Add this line to the template: ${advice}`,
      extra: { capabilities: wanted },
    });
  }
  return undefined;
}

/** Printable text of bounded length, the end of it, without terminal escapes or runc's log decoration. */
export function clean(output: string): string {
  return output
    .replaceAll(/\u001b\[[0-9;?]*[A-Za-z]/g, '')
    .replaceAll(/[\u0000-\u0008\u000b-\u001f\u007f]/g, '')
    .replaceAll(/time="[^"]*" level=[a-z]+ msg=/g, '')
    .trim()
    .slice(-DETAIL_CHARS_MAX);
}
