/** What a signal can be about. A signal says only where to look; the database says what is there. */
export const SIGNAL_TOPICS = ['lane', 'node', 'queue', 'event', 'due', 'leader', 'key'] as const;

/**
 * | topic | key | count |
 * |---|---|---|
 * | lane | lane id | jobs that began to wait there |
 * | node | node id: drained, resumed, removed | |
 * | queue | queue name: paused, resumed, limit changed | |
 * | event | empty: the event log grew | |
 * | due | epoch milliseconds of the next due time; of several only the earliest is kept | |
 * | leader | empty: the leadership is free or taken | |
 * | key | API key id: revoked, or its end moved | |
 */
export type SignalTopic = (typeof SIGNAL_TOPICS)[number];

export interface Signal {
  readonly topic: SignalTopic;
  readonly key: string;
  readonly count: number;
}

export function isSignalTopic(value: unknown): value is SignalTopic {
  return (SIGNAL_TOPICS as readonly unknown[]).includes(value);
}
