/**
 * JSON that PostgreSQL takes, from JSON that it may refuse, changed in the text itself: to read it and to write it again would
 * round every number beyond 2^53.
 */
import { storableText } from '../../protocol/storable.js';

export interface StorableJson {
  readonly text: string;
  /** Something was replaced: what cannot be stored by U+FFFD, a number without end by its nearest, or by null. */
  readonly isChanged: boolean;
  /** Whether JavaScript reads all its whole numbers as they are. */
  readonly isExact: boolean;
}

/** What may need a change, or be read inexactly; mostly nothing does. */
const SUSPICIOUS = /\d[eE][+-]?\d{3}|\d{16}|\\u(?:0000|[dD][89a-fA-F])|\p{Surrogate}/u;
/** jsonb takes it and keeps every digit: of 1e400000 a million. */
const HUGE_NUMBER = /[eE][+-]?\d{3}|\d{400}/;
const TOKEN = /"|-?\d[\d.eE+-]*/g;

/** @param text valid JSON */
export function storableJson(text: string): StorableJson {
  if (!SUSPICIOUS.test(text)) return { text, isChanged: false, isExact: true };
  const parts: string[] = [];
  let isExact = true;
  let copied = 0;
  const replace = (from: number, to: number, by: string): void => {
    parts.push(text.slice(copied, from), by);
    copied = to;
  };
  for (let at = 0; ;) {
    TOKEN.lastIndex = at;
    const token = TOKEN.exec(text);
    if (token === null) break;
    const [written] = token;
    at = token.index + written.length;
    if (written === '"') at = readString(text, at, replace);
    else if (HUGE_NUMBER.test(written)) replace(token.index, at, JSON.stringify(Number(written)));
    else if (/^-?\d+$/.test(written) && !Number.isSafeInteger(Number(written))) isExact = false;
  }
  const kept = storableText(parts.length === 0 ? text : parts.join('') + text.slice(copied));
  return { text: kept, isChanged: kept !== text, isExact };
}

const INSIDE = /["\\]/g;

/** @param at behind the opening quote; answers where it goes on behind the closing one */
function readString(
  text: string,
  at: number,
  replace: (from: number, to: number, by: string) => void,
): number {
  for (;;) {
    INSIDE.lastIndex = at;
    const found = INSIDE.exec(text);
    if (found === null) return text.length;
    const { index } = found;
    if (text[index] === '"') return index + 1;
    at = index + 2;
    const unit = escapedUnit(text, index);
    if (unit === undefined) continue;
    at = index + 6;
    if (isHigh(unit) && isLow(escapedUnit(text, at))) at += 6;
    else if (unit === 0 || isHigh(unit) || isLow(unit)) replace(index, at, '\ufffd');
  }
}

/** Of `\uXXXX`. */
function escapedUnit(text: string, at: number): number | undefined {
  return text.startsWith('\\u', at) ? Number.parseInt(text.slice(at + 2, at + 6), 16) : undefined;
}

function isHigh(unit: number | undefined): boolean {
  return unit !== undefined && unit >= 0xd800 && unit < 0xdc00;
}

function isLow(unit: number | undefined): boolean {
  return unit !== undefined && unit >= 0xdc00 && unit < 0xe000;
}
