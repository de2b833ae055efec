import WebSocket from 'ws';
import { STREAM_MESSAGE_BYTES_MAX } from '../contract/stream.ts';
import type { SocketFactory, SocketLike } from '../sdk/socket.ts';

/** The package `ws` can be paused, so that a program whose output is read slowly waits instead of filling our memory. */
export const wsSocket: SocketFactory = (url, protocols) =>
  new WebSocket(url, protocols, {
    perMessageDeflate: false,
    maxPayload: STREAM_MESSAGE_BYTES_MAX,
  }) as unknown as SocketLike;
