/** What full-screen programs turn on and a terminal keeps when they are cut off: alternate screen, mouse, paste, cursor keys. */
const UNDO: Readonly<Record<string, 'l' | 'h'>> = {
  '1': 'l',
  '25': 'h',
  '47': 'l',
  '1000': 'l',
  '1002': 'l',
  '1003': 'l',
  '1004': 'l',
  '1005': 'l',
  '1006': 'l',
  '1015': 'l',
  '1047': 'l',
  '1049': 'l',
  '2004': 'l',
};
/** The longest piece of a sequence that is kept for the next chunk. */
const TAIL_CHARS = 32;

/** Watches what a program sets, so that the terminal can be given back as it was however the program ends. */
export class ScreenModes {
  readonly #set = new Set<string>();
  #tail = '';
  #keypad = false;

  see(data: Uint8Array): void {
    const text = this.#tail + Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('latin1');
    for (const [, numbers = '', end = '', keypad = ''] of text.matchAll(/\u001b(?:\[\?([0-9;]{1,30})([hl])|([=>]))/g)) {
      if (keypad !== '') this.#keypad = keypad === '=';
      for (const number of numbers.split(';')) {
        const normal = UNDO[number];
        if (normal === undefined) continue;
        if (end === normal) this.#set.delete(number);
        else this.#set.add(number);
      }
    }
    const last = text.lastIndexOf('\u001b');
    this.#tail = last >= 0 && text.length - last < TAIL_CHARS ? text.slice(last) : '';
  }

  /** What sets everything back that is still set; empty when the program did so itself. */
  undo(): string {
    let text = this.#keypad ? '\u001b>' : '';
    for (const number of this.#set) text += `\u001b[?${number}${UNDO[number]}`;
    return this.#set.size > 0 || this.#keypad ? `${text}\u001b[0m` : '';
  }
}
