import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { type Loaded, useLoaded } from '../lib/loaded.ts';
import { arc, session } from '../lib/session.ts';
import { AskFirst } from '../parts/ask.tsx';
import { LoadedCard } from '../parts/loading.tsx';
import { Age, Empty } from '../parts/small.tsx';
import { attempt } from '../parts/toast.tsx';

type Secret = Awaited<ReturnType<ReturnType<typeof arc>['secrets']['list']>>[number];

/** Values that sandboxes get. They are set here, and shown by nothing. */
export function SecretsPage(): JSX.Element {
  const secrets = useLoaded(() => arc().secrets.list());
  const owner = session.value.state === 'in' ? session.value.view.owner : '';
  return (
    <main class="page" id="main">
      <div class="head">
        <h1>Secrets</h1>
        <span class="muted">of {owner}: sandboxes get them by name, and nothing shows them again</span>
      </div>
      <SetSecret known={secrets.value ?? []} onSet={secrets.again} />
      <LoadedCard label="Names" loaded={secrets}>
        {(found) => <Names found={found} loaded={secrets} />}
      </LoadedCard>
    </main>
  );
}

function SetSecret(props: { readonly known: readonly Secret[]; readonly onSet: () => void }): JSX.Element {
  const [name, setName] = useState('');
  const [value, setValue] = useState('');
  const replaces = props.known.some((one) => one.name === name);
  const set = async () => {
    if (!(await attempt(() => arc().secrets.set(name, value), `${name} is set`))) return;
    setName('');
    setValue('');
    props.onSet();
  };
  return (
    <form
      class="card pad stack"
      onSubmit={(event) => {
        event.preventDefault();
        void set();
      }}
    >
      <div class="form">
        <div class="field">
          <label for="secret-name">Name</label>
          <input
            id="secret-name"
            required
            pattern="[a-z0-9]([a-z0-9\-]{0,61}[a-z0-9])?"
            value={name}
            autocomplete="off"
            spellcheck={false}
            onInput={(event) => setName(event.currentTarget.value)}
          />
          <small>Small letters, digits and hyphens</small>
        </div>
        <div class="field">
          <label for="secret-value">Value</label>
          <textarea
            id="secret-value"
            required
            rows={2}
            value={value}
            autocomplete="off"
            spellcheck={false}
            onInput={(event) => setValue(event.currentTarget.value)}
          />
          <small>As it is written, line ends included</small>
        </div>
      </div>
      <div class="row">
        <button type="submit" class="primary">
          {replaces ? 'Replace the value' : 'Set the secret'}
        </button>
        {replaces && <span class="muted small">{name} has a value already; sandboxes that run keep the old one</span>}
      </div>
    </form>
  );
}

function Names({
  found,
  loaded,
}: {
  readonly found: readonly Secret[];
  readonly loaded: Loaded<unknown>;
}): JSX.Element {
  if (found.length === 0) {
    return (
      <Empty title="No secrets">
        <p>
          A create names one to put it into a variable or a file of its sandbox; templates can, too. The guide of
          secrets has examples.
        </p>
      </Empty>
    );
  }
  const remove = (name: string) =>
    void attempt(() => arc().secrets.remove(name), `${name} is removed`).then(loaded.again);
  return (
    <table class="plain">
      <thead>
        <tr>
          <th>Name</th>
          <th>Set</th>
          <th>
            <span class="hidden">Remove</span>
          </th>
        </tr>
      </thead>
      <tbody>
        {found.map(({ name, setAt }) => (
          <tr key={name}>
            <td class="mono">{name}</td>
            <td class="number">
              <Age at={setAt} /> ago
            </td>
            <td>
              <AskFirst
                label="Remove"
                about={name}
                text="Creates that name it are refused from then on. Nothing can bring its value back."
                onConfirm={() => remove(name)}
              />
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
