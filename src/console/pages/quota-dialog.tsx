import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import type { QuotaRequest } from '../../sdk/index.ts';
import { arc } from '../lib/session.ts';
import { Dialog, DialogEnd } from '../parts/dialog.tsx';
import { errorText, say } from '../parts/toast.tsx';

const FIELDS = [
  ['running', 'Running', 'Sandboxes that run, wait for their start or are frozen'],
  ['total', 'Sandboxes', 'All of them, stopped ones included'],
  ['memory', 'Memory', 'Memory limits of what runs, together, such as 4GiB'],
  ['createdPerMinute', 'Creates in a minute', 'All at once, and the next ones one by one'],
] as const;

/** What one owner may have, in place of what was set before. An empty field is as the settings of the server say. */
export function QuotaDialog(props: {
  /** Empty: it is asked for. */
  readonly owner: string;
  readonly own: QuotaRequest | undefined;
  readonly onClose: () => void;
  readonly onSet: () => void;
}): JSX.Element {
  const [problem, setProblem] = useState('');
  const set = async (form: HTMLFormElement) => {
    const data = new FormData(form);
    const text = (name: string) => String(data.get(name) ?? '').trim();
    const owner = props.owner === '' ? text('owner') : props.owner;
    setProblem('');
    try {
      await arc().quotas.set(owner, requestOf(text));
      say(`The quota of ${owner} is set`);
      props.onSet();
      props.onClose();
    } catch (error) {
      setProblem(errorText(error));
    }
  };
  const title = props.owner === '' ? 'Set a quota' : `Quota of ${props.owner}`;
  return (
    <Dialog title={title} onClose={props.onClose}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void set(event.currentTarget);
        }}
      >
        <h2>{title}</h2>
        {props.owner === '' && (
          <div class="field">
            <label for="quota-owner">Owner</label>
            <input
              id="quota-owner"
              name="owner"
              required
              pattern="[A-Za-z0-9][A-Za-z0-9._@\-]{0,63}"
              spellcheck={false}
            />
          </div>
        )}
        <p class="muted small">Empty: as the settings of the server say. The word none: no limit.</p>
        <div class="form">
          {FIELDS.map(([name, label, hint]) => (
            <div class="field" key={name}>
              <label for={`quota-${name}`}>{label}</label>
              <input
                id={`quota-${name}`}
                name={name}
                defaultValue={String(props.own?.[name] ?? '')}
                pattern={name === 'memory' ? 'none|[0-9.]+ ?[A-Za-z]+' : 'none|[0-9]+'}
                aria-describedby={`quota-${name}-hint`}
                spellcheck={false}
              />
              <small id={`quota-${name}-hint`}>{hint}</small>
            </div>
          ))}
          <div class="field">
            <label for="quota-one">One per template</label>
            <select id="quota-one" name="onePerTemplate" defaultValue={String(props.own?.onePerTemplate ?? '')}>
              <option value="">as the settings say</option>
              <option value="true">yes: asking again gives the one that is there</option>
              <option value="false">no</option>
            </select>
          </div>
        </div>
        <DialogEnd action="Set" problem={problem} onClose={props.onClose} />
      </form>
    </Dialog>
  );
}

function requestOf(text: (name: string) => string): QuotaRequest {
  const count = (name: string) => (text(name) === 'none' ? ('none' as const) : Number(text(name)));
  const request: QuotaRequest = {};
  for (const name of ['running', 'total', 'createdPerMinute'] as const)
    if (text(name) !== '') request[name] = count(name);
  if (text('memory') !== '') request.memory = text('memory').replace(' ', '');
  if (text('onePerTemplate') !== '') request.onePerTemplate = text('onePerTemplate') === 'true';
  return request;
}
