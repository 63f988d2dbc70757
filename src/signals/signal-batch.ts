/** Signals on their way out, coalesced, and how they look as the payload of a NOTIFY. */
import { isSignalTopic, type Signal, type SignalTopic } from './signal-topics.js';

/** PostgreSQL takes fewer than 8,000 bytes. */
const LARGEST_PAYLOAD = 7_900;

/** A batch that outgrows this is no longer news but a backlog; the poll of the others finds it cheaper. */
const MOST_SIGNALS = 10_000;

export class SignalBatch {
  readonly #signals = new Map<string, Signal>();

  get isEmpty(): boolean {
    return this.#signals.size === 0;
  }

  /** Answers false where the batch is full and the signal was not taken. */
  add(topic: SignalTopic, key: string, count: number): boolean {
    const id = topic === 'due' ? topic : `${topic} ${key}`;
    const waiting = this.#signals.get(id);
    if (waiting === undefined && this.#signals.size >= MOST_SIGNALS) return false;
    this.#signals.set(id, waiting === undefined ? { topic, key, count } : merged(waiting, key, count));
    return true;
  }

  /** Empties the batch into as few payloads as hold it. */
  drain(sender: string): string[] {
    const payloads: string[] = [];
    let entries: string[] = [];
    let bytes = 0;
    const envelope = Buffer.byteLength(payload(sender, []));
    for (const { topic, key, count } of this.#signals.values()) {
      const entry = JSON.stringify([topic, key, count]);
      const size = Buffer.byteLength(entry) + 1;
      if (entries.length > 0 && envelope + bytes + size > LARGEST_PAYLOAD) {
        payloads.push(payload(sender, entries));
        entries = [];
        bytes = 0;
      }
      entries.push(entry);
      bytes += size;
    }
    if (entries.length > 0) payloads.push(payload(sender, entries));
    this.#signals.clear();
    return payloads;
  }
}

export interface ReceivedSignals {
  readonly sender: string;
  readonly signals: readonly Signal[];
}

/** Reads a payload; undefined where it is none of ours, since anybody may notify on a channel. */
export function readPayload(text: string): ReceivedSignals | undefined {
  let read: unknown;
  try {
    read = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof read !== 'object' || read === null) return undefined;
  const { from, signals } = read as { from?: unknown; signals?: unknown };
  if (typeof from !== 'string' || !Array.isArray(signals)) return undefined;
  return { sender: from, signals: signals.map(readSignal).filter((signal) => signal !== undefined) };
}

function readSignal(entry: unknown): Signal | undefined {
  if (!Array.isArray(entry)) return undefined;
  const [topic, key, count] = entry as unknown[];
  if (!isSignalTopic(topic) || typeof key !== 'string' || typeof count !== 'number') return undefined;
  return { topic, key, count };
}

function merged(waiting: Signal, key: string, count: number): Signal {
  if (waiting.topic === 'due') return Number(key) < Number(waiting.key) ? { ...waiting, key } : waiting;
  return { ...waiting, count: waiting.count + count };
}

function payload(sender: string, entries: readonly string[]): string {
  return `{"from":${JSON.stringify(sender)},"signals":[${entries.join(',')}]}`;
}
