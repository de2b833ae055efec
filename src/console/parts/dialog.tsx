import type { ComponentChildren, JSX } from 'preact';
import { useLayoutEffect, useRef } from 'preact/hooks';

/** A dialog of the browser's own: it keeps the focus, closes with Escape, and gives the focus back. */
export function Dialog(props: {
  readonly title: string;
  readonly onClose: () => void;
  readonly wide?: boolean;
  readonly children: ComponentChildren;
}): JSX.Element {
  const element = useRef<HTMLDialogElement>(null);
  // Not after the next picture: a key pressed until then would be for the page beneath.
  useLayoutEffect(() => {
    element.current?.showModal();
  }, []);
  return (
    <dialog ref={element} class={props.wide ? 'wide' : ''} aria-label={props.title} onClose={props.onClose}>
      {props.children}
    </dialog>
  );
}

/** The end of a form in a dialog: what is wrong with it, a way back, and what it does. */
export function DialogEnd(props: {
  readonly action: string;
  readonly onClose: () => void;
  readonly look?: 'primary' | 'danger';
  readonly problem?: string;
  readonly disabled?: boolean;
}): JSX.Element {
  return (
    <>
      {props.problem && (
        <p class="note bad" role="alert">
          {props.problem}
        </p>
      )}
      <footer>
        <button type="button" onClick={props.onClose}>
          Cancel
        </button>
        <button type="submit" class={props.look ?? 'primary'} disabled={props.disabled ?? false}>
          {props.action}
        </button>
      </footer>
    </>
  );
}

export function Confirm(props: {
  readonly title: string;
  readonly text: string;
  readonly action: string;
  readonly onConfirm: () => void;
  readonly onClose: () => void;
}): JSX.Element {
  return (
    <Dialog title={props.title} onClose={props.onClose}>
      <form
        method="dialog"
        onSubmit={(event) => {
          event.preventDefault();
          props.onClose();
          props.onConfirm();
        }}
      >
        <h2>{props.title}</h2>
        <p>{props.text}</p>
        <DialogEnd action={props.action} look="danger" onClose={props.onClose} />
      </form>
    </Dialog>
  );
}
