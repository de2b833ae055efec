/** Every bound of the API, by name and unit. What a bound protects is said where it is used. */

export const JSON_BODY_BYTES_MAX = 1_048_576;
/** An exec's whole input travels in its body, as base64. */
export const EXEC_BODY_BYTES_MAX = 12 * 1_048_576;
export const JSON_DEPTH_MAX = 32;
export const JSON_VALUES_MAX = 20_000;
/** A JSON body must be there within this time; uploads are bounded by `UPLOAD_IDLE_MS_MAX` instead. */
export const BODY_READ_MS_MAX = 30_000;
export const UPLOAD_IDLE_MS_MAX = 60_000;
export const HEADER_BYTES_MAX = 32_768;
export const HEADERS_MS_MAX = 20_000;
/** A path of 4,096 bytes fits with every byte percent-encoded. */
export const URL_BYTES_MAX = 14_336;
export const PARAM_CHARS_MAX = 128;
export const KEY_CHARS_MAX = 512;
export const KEEP_ALIVE_MS = 30_000;
export const CONNECTIONS_MAX = 8_192;
export const SOCKETS_MAX = 4_096;
/** Faults named in one answer. */
export const FAULTS_MAX = 20;

export const WAIT_MS_DEFAULT = 30_000;
export const WAIT_MS_MAX = 600_000;
export const LIST_LIMIT_DEFAULT = 100;
export const LIST_LIMIT_MAX = 1_000;
export const LABEL_FILTERS_MAX = 16;
export const CURSOR_CHARS_MAX = 512;

/** What a plain exec keeps of each output stream; the rest is read and dropped. */
export const EXEC_OUTPUT_BYTES_MAX = 1_048_576;
/** How long a program whose caller is gone may take to end before we stop looking. */
export const EXEC_KILL_MS = 5_000;

export const FIRST_MESSAGE_MS_MAX = 10_000;
export const PING_MS = 30_000;
/** A peer that is being sent data may be paused by its user, so its silence is borne for longer. */
export const BUSY_SILENCE_MS_MAX = 600_000;
/** Reading from a program or journal stops while this much waits for the client. */
export const SOCKET_BUFFER_BYTES = 1_048_576;
/** Reading from the client stops while this much waits for the program. */
export const STDIN_QUEUE_BYTES = 262_144;
export const CLOSE_REASON_BYTES_MAX = 120;

export const HEARTBEAT_MS = 15_000;
/** How soon a browser's EventSource should come back. */
export const SSE_RETRY_MS = 1_000;

/** How long, and how much, a refused upload is still read so that its answer arrives. */
export const LINGER_MS = 1_000;
export const LINGER_BYTES_MAX = 16 * 1_048_576;

export const PATH_BYTES_MAX = 4_096;
export const NAME_BYTES_MAX = 255;
export const LISTING_ENTRIES_MAX = 100_000;
export const ARCHIVE_ENTRIES_MAX = 1_000_000;
export const ARCHIVE_BYTES_MAX = 64 * 1024 ** 3;
export const ARCHIVE_DEPTH_MAX = 128;
/** Symlinks of one archive are remembered, so that no entry is written through one of them. */
export const ARCHIVE_LINKS_MAX = 65_536;
export const ARCHIVE_LINK_BYTES_MAX = 16 * 1_048_576;

export const STATS_AT_ONCE = 8;
export const PROGRESS_MS = 200;
export const PROGRESS_LAYERS_MAX = 256;
export const METRICS_CACHE_MS = 5_000;

/** How long requests under way may go on once the server is told to stop. */
export const DRAIN_MS = 10_000;
/** And how long those that are then aborted may take to answer. */
export const ABORTED_MS_MAX = 1_000;
export const RETRY_AFTER_S = 1;
