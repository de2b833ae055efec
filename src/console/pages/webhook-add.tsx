import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import type { HookRequest } from '../../sdk/index.ts';
import { arc } from '../lib/session.ts';
import { Dialog, DialogEnd } from '../parts/dialog.tsx';
import { errorText } from '../parts/toast.tsx';

const EVENTS = ['sandbox', 'sandbox.warned', 'sandbox.failed', 'sandbox.removed', 'alert', 'template', 'key', 'hook'];

/** A webhook is made here; the secret that signs its messages is shown once. */
export function AddWebhook(props: { readonly onClose: () => void; readonly onAdded: () => void }): JSX.Element {
  const [events, setEvents] = useState<readonly string[]>(['sandbox']);
  const [problem, setProblem] = useState('');
  const [secret, setSecret] = useState<string>();
  const add = async (form: HTMLFormElement) => {
    const text = (name: string) => String(new FormData(form).get(name) ?? '').trim();
    const labels = text('labels')
      .split(/[\s,]+/)
      .filter(Boolean);
    const request: HookRequest = {
      ...{ url: text('url'), events: [...events] },
      ...(text('format') === 'slack' ? { format: 'slack' } : {}),
      ...(labels.length > 0 ? { labels } : {}),
      ...(text('owner') === '' ? {} : { owner: text('owner') }),
    };
    setProblem('');
    try {
      setSecret((await arc().hooks.create(request)).secret);
      props.onAdded();
    } catch (error) {
      setProblem(errorText(error));
    }
  };
  if (secret !== undefined) return <Added secret={secret} onClose={props.onClose} />;
  const toggle = (name: string, on: boolean) =>
    setEvents(on ? [...events, name] : events.filter((other) => other !== name));
  return (
    <Dialog title="Add a webhook" onClose={props.onClose}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void add(event.currentTarget);
        }}
      >
        <h2>Add a webhook</h2>
        <div class="field">
          <label for="hook-url">Address that is posted to</label>
          <input id="hook-url" name="url" type="url" required pattern="https?://.+" placeholder="https://" />
        </div>
        <fieldset>
          <legend>What is sent</legend>
          <div class="form">
            {EVENTS.map((name) => (
              <label class="check" key={name}>
                <input
                  type="checkbox"
                  checked={events.includes(name)}
                  onChange={(event) => toggle(name, event.currentTarget.checked)}
                />
                {name}
              </label>
            ))}
          </div>
        </fieldset>
        <div class="form">
          <div class="field">
            <label for="hook-labels">Only with these labels</label>
            <input id="hook-labels" name="labels" placeholder="course=web" spellcheck={false} />
          </div>
          <div class="field">
            <label for="hook-owner">Only of this owner</label>
            <input id="hook-owner" name="owner" spellcheck={false} />
          </div>
          <div class="field">
            <label for="hook-format">Shape</label>
            <select id="hook-format" name="format">
              <option value="standard">signed JSON</option>
              <option value="slack">texts for Slack</option>
            </select>
          </div>
        </div>
        <DialogEnd action="Add" problem={problem} disabled={events.length === 0} onClose={props.onClose} />
      </form>
    </Dialog>
  );
}

function Added({ secret, onClose }: { readonly secret: string; readonly onClose: () => void }): JSX.Element {
  return (
    <Dialog title="The webhook is added" onClose={onClose}>
      <div class="inner">
        <h2>The webhook is added</h2>
        <div class="field">
          <label for="hook-secret">The secret that signs its messages, shown only now</label>
          <input id="hook-secret" readOnly value={secret} onFocus={(event) => event.currentTarget.select()} />
        </div>
        <footer>
          <button type="button" class="primary" onClick={onClose}>
            I have it
          </button>
        </footer>
      </div>
    </Dialog>
  );
}
