import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { Confirm } from './dialog.tsx';

/** A button that asks first: for what can not be taken back. */
export function AskFirst(props: {
  readonly label: string;
  /** For readers of the page, where the words of the button stand in many rows. */
  readonly about: string;
  readonly text: string;
  readonly onConfirm: () => void;
}): JSX.Element {
  const [asking, setAsking] = useState(false);
  return (
    <>
      <button type="button" class="quiet" aria-label={`${props.label} ${props.about}`} onClick={() => setAsking(true)}>
        {props.label}
      </button>
      {asking && (
        <Confirm
          title={`${props.label} ${props.about}?`}
          text={props.text}
          action={props.label}
          onConfirm={props.onConfirm}
          onClose={() => setAsking(false)}
        />
      )}
    </>
  );
}
