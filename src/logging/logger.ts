/**
 * The log of a process: pino, one JSON object a line on standard output (or readable lines, where
 * `logging.format` is `pretty`). Parts of the program take a child: `logger.child({ component: 'leadership' })`.
 */
import { createRequire } from 'node:module';
import { type DestinationStream, type Logger, destination, pino, stdTimeFunctions } from 'pino';
import type * as PinoPretty from 'pino-pretty';
import type { LoggingSettings } from '../config/settings.js';
import { withoutSecrets } from './secrets.js';

export type { Logger } from 'pino';

/** By this token Nest injects the logger of the process. */
export const LOGGER = Symbol('LOGGER');

/**
 * Every line carries its level by name and the time in ISO 8601. Lines about one request name it where they are
 * written, as `request_id`: a context behind all awaits would cost a third of each request (ADR 0021).
 */
export function createLogger(
  { level, format }: Pick<LoggingSettings, 'level' | 'format'>,
  stream: DestinationStream = standardOutput(),
): Logger {
  const readable = format === 'pretty' ? readableLines() : undefined;
  return pino(
    {
      level,
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      hooks: {
        streamWrite: readable === undefined ? withoutSecrets : (line) => readable(withoutSecrets(line)),
      },
    },
    stream,
  );
}

/** Loaded for people only: a service would wait for it at each start, and never use it. */
function readableLines(): (line: string) => string {
  const { prettyFactory } = createRequire(import.meta.url)('pino-pretty') as typeof PinoPretty;
  return prettyFactory({ singleLine: true, colorize: process.stdout.isTTY });
}

/**
 * Lines are written without waiting: a reader that stops must not stop the event loop, for a leader whose
 * loop stands still for 1.5 s steps down. What such a reader leaves behind is dropped above 16 MiB; at a
 * regular exit pino writes what is left.
 */
function standardOutput(): DestinationStream {
  return destination({ dest: 1, sync: false, maxLength: 16 * 1024 * 1024 });
}
