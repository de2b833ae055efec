import type { JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import type { LinkScope, LinkView, Sandbox } from '../../sdk/index.ts';
import { dateTime } from '../lib/format.ts';
import { Dialog } from '../parts/dialog.tsx';
import { attempt } from '../parts/toast.tsx';

/** A link for the person who uses the sandbox and has no key. */

const SCOPES: Readonly<Record<LinkScope, string>> = {
  app: 'See its pages',
  terminal: 'Use a terminal',
  logs: 'Read its logs',
  extend: 'Give it more time',
  reset: 'Make it fresh',
};
const LASTS = ['1h', '8h', '3d', '30d'] as const;

export function ShareLink({
  sandbox,
  onClose,
}: {
  readonly sandbox: Sandbox;
  readonly onClose: () => void;
}): JSX.Element {
  const [may, setMay] = useState<readonly LinkScope[]>(Object.keys(SCOPES) as LinkScope[]);
  const [lasts, setLasts] = useState<string>('8h');
  const [made, setMade] = useState<LinkView>();
  const [links, setLinks] = useState<readonly LinkView[]>([]);
  const load = () => void attempt(async () => setLinks(await sandbox.links()));
  useEffect(load, []);
  const make = () =>
    attempt(async () => {
      setMade(await sandbox.link({ may: [...may], for: lasts }));
      load();
    });
  return (
    <Dialog title="Link for a person" onClose={onClose}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void make();
        }}
      >
        <h2>Link for a person</h2>
        <p class="muted">Whoever has the link can do this with this one sandbox, without a key:</p>
        <fieldset>
          <legend class="hidden">What the link allows</legend>
          {(Object.entries(SCOPES) as [LinkScope, string][]).map(([scope, text]) => (
            <label class="check" key={scope}>
              <input
                type="checkbox"
                checked={may.includes(scope)}
                onChange={(event) =>
                  setMay(event.currentTarget.checked ? [...may, scope] : may.filter((one) => one !== scope))
                }
              />
              {text}
            </label>
          ))}
        </fieldset>
        <div class="field">
          <label for="link-lasts">It works for</label>
          <select id="link-lasts" value={lasts} onChange={(event) => setLasts(event.currentTarget.value)}>
            {LASTS.map((one) => (
              <option key={one} value={one}>
                {one
                  .replace('h', ' hours')
                  .replace('d', ' days')
                  .replace(/^1 hours/, '1 hour')}
              </option>
            ))}
          </select>
        </div>
        {made?.url && (
          <div class="field">
            <label for="link-url">The link, shown only now</label>
            <input id="link-url" readOnly value={made.url} onFocus={(event) => event.currentTarget.select()} />
          </div>
        )}
        <Links
          links={links}
          onRevoke={(id) => void attempt(() => sandbox.revokeLink(id), 'The link is revoked').then(load)}
        />
        <footer>
          <button type="button" onClick={onClose}>
            Close
          </button>
          <button type="submit" class="primary" disabled={may.length === 0}>
            Make a link
          </button>
        </footer>
      </form>
    </Dialog>
  );
}

function Links(props: {
  readonly links: readonly LinkView[];
  readonly onRevoke: (id: string) => void;
}): JSX.Element | null {
  if (props.links.length === 0) return null;
  return (
    <div>
      <h3>Links that work now</h3>
      <ul>
        {props.links.map((link) => (
          <li key={link.id} class="row small">
            <span>
              {link.may.join(', ')} <span class="muted">until {dateTime(link.expiresAt)}</span>
            </span>
            <button type="button" class="quiet end" onClick={() => props.onRevoke(link.id)}>
              Revoke
            </button>
          </li>
        ))}
      </ul>
    </div>
  );
}
