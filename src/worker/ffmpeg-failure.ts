/** What a failed run of ffmpeg means, read from its last lines. Pure. */

import { AttemptFailure } from './attempt-failure.js';

export interface FfmpegEnd {
  code: number | null;
  signal: NodeJS.Signals | null;
  /** The last lines of its log. */
  lastLines: readonly string[];
  toRtmp: boolean;
  maxMemoryMb?: number;
}

const MAX_ERROR_LENGTH = 2_000;

const NO_SPACE = /No space left on device|Disk quota exceeded/i;
const NO_MEMORY =
  /Cannot allocate memory|Error allocating|malloc.*fail|out of memory|pthread_create failed|Resource temporarily unavailable/i;
/** Under a limit of memory an encoder says only that it could not be opened, or dies on a null pointer. */
const STARVED = /Error while opening encoder|Error initializing (output )?stream/i;
const BROKEN_INPUT =
  /Invalid data found when processing input|moov atom not found|Error while decoding stream|could not find codec parameters|End of file$|Input\/output error/im;
const NETWORK =
  /Connection (refused|reset|timed out)|Broken pipe|Network is unreachable|Cannot open connection|Server error|handshake|I\/O error|Input\/output error/i;
const REFUSED_OPTION =
  /Error setting option|Unrecognized option|Option .* not found|incorrect parameters|Unable to parse option|Invalid argument/i;

export function ffmpegFailure(end: FfmpegEnd): AttemptFailure {
  const log = end.lastLines.join('\n');
  const words = tellingLines(end.lastLines) || `ffmpeg ended with ${end.signal ?? `status ${end.code}`}`;
  if (NO_SPACE.test(log)) return failure('resource_error', `the worker's disk is full: ${words}`);
  const starved = end.maxMemoryMb !== undefined && (STARVED.test(log) || end.signal !== null);
  if (NO_MEMORY.test(log) || starved || end.signal === 'SIGKILL') {
    const limit =
      end.maxMemoryMb === undefined ? '' : ` (resource_limits.max_memory_mb is ${end.maxMemoryMb})`;
    return failure('resource_error', `ffmpeg ran out of memory or was killed${limit}: ${words}`);
  }
  if (end.toRtmp && NETWORK.test(log)) return failure('network_error', words);
  if (BROKEN_INPUT.test(log)) return failure('input_error', words);
  if (REFUSED_OPTION.test(log)) return failure('user_error', `ffmpeg refused the parameters: ${words}`);
  return failure('runtime_error', words);
}

function failure(reason: ConstructorParameters<typeof AttemptFailure>[0], message: string): AttemptFailure {
  return new AttemptFailure(reason, message.slice(0, MAX_ERROR_LENGTH));
}

/** The last lines that complain; all of the last five where none does. */
function tellingLines(lines: readonly string[]): string {
  const complaints = lines.filter((line) =>
    /error|invalid|fail|cannot|could not|refused|unable|no such|not found|denied/i.test(line),
  );
  return (complaints.length > 0 ? complaints.slice(-3) : lines.slice(-5)).join('\n').trim();
}
