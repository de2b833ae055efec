import { escapeHtml, pageOf } from '../page.ts';

/** Only the edge answers here, and only for sandboxes that ask for a token, to who has none. */
export const SIGN_IN_PATH = '/.arc/sign-in';

export const signInPolicy =
  "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

export interface SignIn {
  readonly id: string;
  /** `/_sb/LABEL`, or empty. */
  readonly prefix: string;
  /** Where to go afterwards, below the prefix. */
  readonly next: string;
  /** The token that was given is not good. */
  readonly refused: boolean;
}

export function signInPage({ id, prefix, next, refused }: SignIn): string {
  const said = refused
    ? '<p role="alert">This token or link is not valid for this sandbox, or not any more.</p>'
    : '<p>It is for who has a token or a link to it.</p>';
  return pageOf({
    title: 'This sandbox wants a token',
    mark: '401',
    body: `<p>You are at the sandbox <code>${escapeHtml(id)}</code>.</p>${said}
<form method="post" action="${escapeHtml(prefix)}${SIGN_IN_PATH}">
<input type="hidden" name="next" value="${escapeHtml(next)}">
<p><label for="token">Token</label><br><input id="token" name="token" type="password" required maxlength="256"
autocomplete="off" autofocus></p><p><button>Continue</button></p></form>`,
    foot: 'access_token_required',
  });
}
