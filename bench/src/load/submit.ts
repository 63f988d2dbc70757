import { closedLoop, type ClosedLoop, type Looped } from './closed-loop.js';
import { Connection } from './connection.js';

export interface Submits extends ClosedLoop {
  readonly urls: readonly string[];
  readonly key: string;
  /** Jobs a request. */
  readonly batch: number;
}

/** Each caller has a connection of its own and submits again as soon as its jobs were answered. */
export async function submit({ urls, key, batch, ...loop }: Submits): Promise<Looped> {
  const connections = Array.from(
    { length: loop.callers },
    (_, k) => new Connection(urls[k % urls.length] as string, key),
  );
  const looped = await closedLoop(loop, async (caller) => {
    const connection = connections[caller] as Connection;
    if (batch === 1) return connection.call('/api/v1/jobs', { scenario: 'bench' });
    const jobs = Array.from({ length: batch }, () => ({ scenario: 'bench' }));
    const answer = await connection.call<{ jobs: unknown[] }>('/api/v1/jobs/batch', { jobs });
    if (answer.jobs.length !== batch) throw new Error(`${answer.jobs.length} of ${batch} jobs were made`);
    return answer;
  });
  for (const connection of connections) connection.close();
  return looped;
}
