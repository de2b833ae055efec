/** Bounds of hooks, with their units. */

/** Hooks kept at most. */
export const HOOKS_MAX = 32;
/** Messages of one hook that are read ahead of their delivery. */
export const AHEAD_MAX = 256;
/** Messages of one hook on their way at once. */
export const AT_ONCE = 8;
/** Events read from the journal in one go. */
export const READ_MAX = 200;
/** ms that a receiver may take. */
export const SEND_MS = 10_000;
/** ms between two notes of how far a hook has come; after a crash so much may be sent a second time. */
export const SAVE_MS = 1_000;
/** ms after which the journal is read again when it could not be. */
export const READ_RETRY_MS = 1_000;
/** Events that are kept for hooks that lag behind, beyond what is kept anyway: so many times as many. */
export const KEEP_FOR_HOOKS = 4;
export const SECRET_BYTES = 24;
