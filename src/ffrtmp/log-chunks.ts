import { MAX_LOG_LENGTH } from '../jobs/job-logs.repository.js';

/** Characters of a chunk. A stream of it sends a chunk as one event. */
const CHUNK = 65_536;

/** Of a log that is longer than an attempt's may be: what it begins with, then what it ends with. */
const KEPT_OF_HEAD = 500_000;

export interface Chunk {
  readonly offset: number;
  readonly text: string;
}

/** The whole log of an attempt in chunks. Of one that is too long the middle is left out: its end says what went wrong. */
export function* logChunks(log: string): Generator<Chunk> {
  const text = log.length > MAX_LOG_LENGTH ? withoutMiddle(log) : log;
  for (let offset = 0; offset < text.length;) {
    const chunk = text.slice(offset, endOf(text, offset + CHUNK));
    yield { offset, text: chunk };
    offset += chunk.length;
  }
}

function withoutMiddle(log: string): string {
  const left = log.length - MAX_LOG_LENGTH;
  // As many characters for the mark as for the longest number.
  const mark = `\n… ${left + MARK} characters left out …\n`.padEnd(MARK, '\n').slice(0, MARK);
  const head = log.slice(0, endOf(log, KEPT_OF_HEAD));
  return `${head}${mark}${log.slice(log.length - (MAX_LOG_LENGTH - head.length - MARK))}`;
}

const MARK = 48;

/** Never between the halves of a surrogate pair. */
function endOf(text: string, end: number): number {
  const code = text.charCodeAt(end - 1);
  return code >= 0xd800 && code <= 0xdbff ? end + 1 : end;
}
