/**
 * What comes from a sandbox or a template may try to speak to the terminal: move the cursor, rename the window, paste.
 */

// Control characters of both sets, and those that turn the direction of text around or are not seen at all.
const UNSAFE = /[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;

/** For one cell or one line: every unsafe character becomes a visible mark. */
export function clean(text: string): string {
  return text.replace(UNSAFE, '\ufffd');
}

/** Longest colour sequence that is believed. */
const SGR_CHARS_MAX = 64;
const SGR = /\u001b\[[0-9;:]{0,61}m/y;
const MAYBE_SGR = /^\u001b(\[[0-9;:]{0,61})?$/;
const ESCAPE = '\u001b';

/**
 * For logs on a terminal: line breaks, tabs and colours pass, everything else that controls a terminal is made visible.
 * Works on pieces; what may still become a colour is kept for the next piece.
 */
export class TerminalFilter {
  #held = '';
  #coloured = false;

  push(piece: string): string {
    const text = this.#held + piece;
    this.#held = '';
    let out = '';
    for (let at = 0; at < text.length; ) {
      const next = text.indexOf(ESCAPE, at);
      const end = next < 0 ? text.length : next;
      out += visible(text.slice(at, end));
      if (next < 0) break;
      SGR.lastIndex = next;
      const sgr = SGR.exec(text);
      if (sgr) {
        out += sgr[0];
        this.#coloured = true;
        at = next + sgr[0].length;
        continue;
      }
      const rest = text.slice(next, next + SGR_CHARS_MAX);
      if (next + rest.length === text.length && MAYBE_SGR.test(rest)) {
        this.#held = rest;
        break;
      }
      out += '\u241b';
      at = next + 1;
    }
    return out;
  }

  /** What was held back, and the end of any colour. */
  end(): string {
    const rest = visible(this.#held);
    this.#held = '';
    return this.#coloured ? `${rest}\u001b[0m` : rest;
  }
}

function visible(text: string): string {
  return text.replace(
    /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g,
    (character) => {
      const code = character.charCodeAt(0);
      if (code < 0x20) return String.fromCharCode(0x2400 + code);
      return code === 0x7f ? '\u2421' : '\ufffd';
    },
  );
}
