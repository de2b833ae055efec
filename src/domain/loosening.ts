import { ArcError } from '../contract/errors.ts';
import type { ResolvedSpec } from '../contract/spec.ts';

/** The operator's policy: which templates may ask for anything that loosens the box, by name, or by its beginning and `*`. */
export type LooseningPolicy = readonly string[];

export const ALL_TEMPLATES: LooseningPolicy = ['*'];

export function mayLoosen(policy: LooseningPolicy, template: string): boolean {
  return policy.some((name) => (name.endsWith('*') ? template.startsWith(name.slice(0, -1)) : template === name));
}

type Asked = Pick<ResolvedSpec, 'template' | 'capabilities'>;

/** Throws forbidden for a template that asks for more than the policy lets it. */
export function checkLoosening(policy: LooseningPolicy, { template, capabilities }: Asked): void {
  if (capabilities.length === 0 || mayLoosen(policy, template)) return;
  throw new ArcError('forbidden', `the template ${template} asks for ${capabilities.join(', ')}, and may not here`, {
    hint: 'The operator names the templates that may in `--loosened-templates`.',
  });
}
