import pino from 'pino';
import type { Logger } from '../kit/logger.ts';

/** The real logger: JSON lines on stderr, each error with its whole cause chain, never a secret. */
export function pinoLogger(level: string): Logger {
  const root = pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      serializers: { error: pino.stdSerializers.errWithCause, cause: pino.stdSerializers.errWithCause },
      redact: { paths: ['*.authorization', '*.secret', '*.password', '*.key'], censor: '…' },
    },
    pino.destination({ fd: 2, sync: true }),
  );
  return wrap(root);
}

function wrap(logger: pino.Logger): Logger {
  return {
    debug: (fields, message) => logger.debug(fields, message),
    info: (fields, message) => logger.info(fields, message),
    warn: (fields, message) => logger.warn(fields, message),
    error: (fields, message) => logger.error(fields, message),
    child: (fields) => wrap(logger.child(fields)),
  };
}
