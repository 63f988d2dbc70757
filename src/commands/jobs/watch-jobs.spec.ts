import { describe, expect, it } from 'vitest';
import type { Job } from '../../protocol/job.js';
import { Refusal, Unreachable } from '../rest/refusal.js';
import type { RestClient } from '../rest/rest-client.js';
import { watchJobs } from './watch-jobs.js';

/** Answers each look at a job with the next of its answers, and with the last one for ever. */
function clientWith(answers: Record<string, (Partial<Job> | Error)[]>): RestClient {
  return {
    get: async (path: string) => {
      const left = answers[path.split('/').at(-1) ?? ''] ?? [];
      const answer = left.length > 1 ? left.shift() : left[0];
      if (answer instanceof Error) throw answer;
      return answer;
    },
  } as unknown as RestClient;
}

const seen: string[] = [];
const options = { every: 1, onChange: (job: Job) => void seen.push(`${job.id} ${job.status}`) };

describe('watching', () => {
  it('ends when all jobs have, and answers them in order', async () => {
    const client = clientWith({
      a: [
        { id: 'a', status: 'queued' },
        { id: 'a', status: 'running' },
        { id: 'a', status: 'completed' },
      ],
      b: [{ id: 'b', status: 'failed' }],
    });
    const jobs = await watchJobs(client, ['a', 'b'], options);
    expect(jobs.map(({ id, status }) => [id, status])).toEqual([
      ['a', 'completed'],
      ['b', 'failed'],
    ]);
    expect(seen.filter((line) => line === 'b failed')).toHaveLength(1);
  });

  it('outlives masters that are away for a while', async () => {
    const away = new Unreachable('away');
    const client = clientWith({
      a: [away, new Refusal(503, 'draining'), away, { id: 'a', status: 'completed' }],
    });
    expect(await watchJobs(client, ['a'], options)).toHaveLength(1);
    const gone = clientWith({ a: [away] });
    await expect(watchJobs(gone, ['a'], { ...options, patience: 20 })).rejects.toThrow('away');
  });

  it('ends at once where a master refuses, or nobody wants to know any more', async () => {
    const refused = clientWith({ a: [new Refusal(404, 'no such job')] });
    await expect(watchJobs(refused, ['a'], options)).rejects.toThrow('no such job');
    const stop = new AbortController();
    const watching = watchJobs(clientWith({ a: [{ id: 'a', status: 'queued' }] }), ['a'], {
      ...options,
      signal: stop.signal,
    });
    stop.abort(new Error('enough'));
    await expect(watching).rejects.toThrow('enough');
  });
});
