import type { JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { FileEntry, Sandbox } from '../../sdk/index.ts';
import { bytes, dateTime, modeText, plural } from '../lib/format.ts';
import { Confirm, Dialog, DialogEnd } from '../parts/dialog.tsx';
import { Icon } from '../parts/icons.tsx';
import { attempt, errorText, say } from '../parts/toast.tsx';

/** Files of a sandbox: look, edit small ones, bring and take. */

/** Larger files are for downloading, bytes. */
const EDIT_BYTES_MAX = 512 * 1024;
const START = '/';

const join = (folder: string, name: string): string => (folder === '/' ? `/${name}` : `${folder}/${name}`);

export function Files({ sandbox }: { readonly sandbox: Sandbox }): JSX.Element {
  const [folder, setFolder] = useState(START);
  const [entries, setEntries] = useState<readonly FileEntry[] | string>([]);
  const [editing, setEditing] = useState<string>();
  const [removing, setRemoving] = useState<FileEntry>();
  const load = async (path: string) => {
    try {
      const found = await sandbox.files.list(path);
      setEntries([...found].sort((a, b) => order(a) - order(b) || a.name.localeCompare(b.name)));
    } catch (error) {
      setEntries(errorText(error));
    }
  };
  useEffect(() => void load(folder), [folder, sandbox]);
  const upload = async (files: FileList | null) => {
    for (const file of files ?? []) {
      await attempt(() => sandbox.files.write(join(folder, file.name), file), `${file.name} is there`);
    }
    await load(folder);
  };
  const open = async (entry: FileEntry) => {
    const path = join(folder, entry.name);
    const { type, size } = entry.type === 'symlink' ? await sandbox.files.resolve(path) : entry;
    if (type === 'dir') setFolder(path);
    else if (type === 'file' && size <= EDIT_BYTES_MAX) setEditing(path);
    else say(`${entry.name} is too large to edit here, or no plain file; download it instead`);
  };
  return (
    <section class="card files" aria-label="Files">
      <Bar folder={folder} onGo={setFolder} onUpload={upload} sandbox={sandbox} onMade={() => void load(folder)} />
      {typeof entries === 'string' ? (
        <p class="note bad">{entries}</p>
      ) : (
        <DropZone onDrop={upload}>
          {entries.length === 0 && <p class="empty">This folder is empty.</p>}
          {entries.map((entry) => (
            <Entry
              key={entry.name}
              entry={entry}
              href={`/v1/sandboxes/${sandbox.id}/files?path=${encodeURIComponent(join(folder, entry.name))}`}
              onOpen={() => void attempt(() => open(entry))}
              onRemove={() => setRemoving(entry)}
            />
          ))}
        </DropZone>
      )}
      {editing !== undefined && <Editor sandbox={sandbox} path={editing} onClose={() => setEditing(undefined)} />}
      {removing && (
        <Confirm
          title={`Remove ${removing.name}?`}
          text={removing.type === 'dir' ? 'The folder goes with all it holds.' : 'The file is gone then.'}
          action="Remove"
          onClose={() => setRemoving(undefined)}
          onConfirm={() => {
            const path = join(folder, removing.name);
            void attempt(() => sandbox.files.remove(path, { recursive: removing.type === 'dir' })).then(() =>
              load(folder),
            );
          }}
        />
      )}
    </section>
  );
}

const order = (entry: FileEntry): number => (entry.type === 'dir' ? 0 : 1);

function Bar(props: {
  readonly sandbox: Sandbox;
  readonly folder: string;
  readonly onGo: (folder: string) => void;
  readonly onUpload: (files: FileList | null) => Promise<void>;
  readonly onMade: () => void;
}): JSX.Element {
  const input = useRef<HTMLInputElement>(null);
  const [naming, setNaming] = useState(false);
  const parts = props.folder.split('/').filter(Boolean);
  return (
    <div class="row" style={{ padding: '10px 14px', borderBottom: '1px solid var(--line)' }}>
      <nav class="crumbs" aria-label="Folder">
        <button type="button" onClick={() => props.onGo('/')} aria-label="The root folder">
          /
        </button>
        {parts.map((part, index) => (
          <button type="button" key={index} onClick={() => props.onGo(`/${parts.slice(0, index + 1).join('/')}`)}>
            {part}/
          </button>
        ))}
      </nav>
      <button type="button" class="end" onClick={() => setNaming(true)}>
        <Icon name="folder" /> New folder
      </button>
      <button type="button" onClick={() => input.current?.click()}>
        <Icon name="up" /> Upload
      </button>
      <input
        ref={input}
        type="file"
        multiple
        hidden
        aria-label="Files to upload"
        onChange={(event) => void props.onUpload(event.currentTarget.files)}
      />
      {naming && (
        <NewFolder
          onClose={() => setNaming(false)}
          onName={(name) =>
            void attempt(() => props.sandbox.files.makeFolder(join(props.folder, name))).then(props.onMade)
          }
        />
      )}
    </div>
  );
}

function NewFolder(props: { readonly onName: (name: string) => void; readonly onClose: () => void }): JSX.Element {
  const [name, setName] = useState('');
  return (
    <Dialog title="New folder" onClose={props.onClose}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          props.onClose();
          if (name !== '') props.onName(name);
        }}
      >
        <h2>New folder</h2>
        <div class="field">
          <label for="folder-name">Name</label>
          <input id="folder-name" value={name} onInput={(event) => setName(event.currentTarget.value)} />
        </div>
        <DialogEnd action="Make it" onClose={props.onClose} />
      </form>
    </Dialog>
  );
}

function DropZone(props: {
  readonly onDrop: (files: FileList | null) => Promise<void>;
  readonly children: preact.ComponentChildren;
}): JSX.Element {
  const [over, setOver] = useState(false);
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: what is dropped here can be chosen by the button above as well
    <div
      role="presentation"
      class={over ? 'drop' : ''}
      onDragOver={(event) => {
        event.preventDefault();
        setOver(true);
      }}
      onDragLeave={() => setOver(false)}
      onDrop={(event) => {
        event.preventDefault();
        setOver(false);
        void props.onDrop(event.dataTransfer?.files ?? null);
      }}
    >
      {props.children}
    </div>
  );
}

function Entry(props: {
  readonly entry: FileEntry;
  readonly href: string;
  readonly onOpen: () => void;
  readonly onRemove: () => void;
}): JSX.Element {
  const { entry } = props;
  return (
    <div class="entry">
      <button type="button" class="name" onClick={props.onOpen} title={entry.target ? `→ ${entry.target}` : entry.name}>
        <Icon name={entry.type === 'dir' ? 'folder' : entry.type === 'symlink' ? 'link' : 'file'} />
        <span class="cut">
          {entry.name}
          {entry.target && <span class="muted"> → {entry.target}</span>}
        </span>
      </button>
      <span class="muted number small">{entry.type === 'file' ? bytes(entry.size) : ''}</span>
      <span class="muted mono wide-only" title={dateTime(entry.modifiedAt)}>
        {modeText(entry.mode)}
      </span>
      <span class="row nowrap" style={{ gap: 0, flexWrap: 'nowrap' }}>
        {entry.type === 'file' && (
          <a class="button quiet icon" href={props.href} download={entry.name} aria-label={`Download ${entry.name}`}>
            <Icon name="down" />
          </a>
        )}
        <button type="button" class="quiet icon" onClick={props.onRemove} aria-label={`Remove ${entry.name}`}>
          <Icon name="trash" />
        </button>
      </span>
    </div>
  );
}

function Editor(props: {
  readonly sandbox: Sandbox;
  readonly path: string;
  readonly onClose: () => void;
}): JSX.Element {
  const { sandbox, path } = props;
  const [text, setText] = useState<string>();
  const [saved, setSaved] = useState('');
  useEffect(() => {
    const read = async () => {
      const content = await sandbox.files.readText(path);
      setText(content);
      setSaved(content);
    };
    void attempt(read).then((read) => read || props.onClose());
  }, [path]);
  const binary = text?.includes('\0') || text?.includes('\ufffd');
  const write = async () => {
    const { mode } = await sandbox.files.resolve(path);
    await sandbox.files.write(path, text ?? '', { mode });
    setSaved(text ?? '');
  };
  return (
    <Dialog title={path} wide onClose={props.onClose}>
      <div class="inner">
        <h2 class="mono">{path}</h2>
        {binary && (
          <p class="note warn">This is not text, so it can be looked at here and not changed. Download it instead.</p>
        )}
        <textarea
          aria-label="Content"
          rows={18}
          spellcheck={false}
          // Until it is read there is nothing to change: what is typed would be lost to the answer.
          readOnly={binary || text === undefined}
          aria-busy={text === undefined}
          placeholder={text === undefined ? 'Reading…' : ''}
          value={text ?? ''}
          onInput={(event) => setText(event.currentTarget.value)}
        />
        <footer>
          <span class="muted small end">{plural(text?.length ?? 0, 'character')}</span>
          <button type="button" onClick={props.onClose}>
            {text === saved ? 'Close' : 'Close without saving'}
          </button>
          <button
            type="button"
            class="primary"
            disabled={binary || text === undefined || text === saved}
            onClick={() => void attempt(write, `${path} is saved`)}
          >
            Save
          </button>
        </footer>
      </div>
    </Dialog>
  );
}
