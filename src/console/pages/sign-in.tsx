import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { signIn } from '../lib/session.ts';
import mark from '../styles/arc.svg';

export function SignIn({ why }: { readonly why: string }): JSX.Element {
  const [key, setKey] = useState('');
  const [fault, setFault] = useState('');
  const [busy, setBusy] = useState(false);
  const submit = async () => {
    setBusy(true);
    try {
      await signIn(key);
    } catch (error) {
      setFault(
        error instanceof TypeError
          ? 'The server does not answer'
          : error instanceof Error
            ? error.message
            : String(error),
      );
    } finally {
      setBusy(false);
    }
  };
  return (
    <main class="door">
      <form
        class="card"
        onSubmit={(event) => {
          event.preventDefault();
          void submit();
        }}
      >
        <img src={mark} alt="" />
        <div>
          <h1>Sign in to Arc</h1>
          <p class="muted">With a key of this server.</p>
        </div>
        {why && <p class="note warn">{why}</p>}
        <div class="field">
          <label for="key">Key</label>
          <input
            id="key"
            type="password"
            autoComplete="current-password"
            required
            // biome-ignore lint/a11y/noAutofocus: it is the one thing to do on this page
            autoFocus
            value={key}
            onInput={(event) => setKey(event.currentTarget.value)}
            aria-describedby="key-hint"
          />
          <small id="key-hint">
            The operator’s is in <code>admin.key</code> of the data folder; others are made with{' '}
            <code>arc key create</code>.
          </small>
          {fault && (
            <span class="fault" role="alert">
              {fault}
            </span>
          )}
        </div>
        <button type="submit" class="primary" disabled={busy || key === ''}>
          Sign in
        </button>
      </form>
    </main>
  );
}
