import { randomUUID } from 'node:crypto';
import { register, type Fleet, type SimulatedNode } from './nodes.js';

export interface Drained {
  readonly jobs: number;
  readonly seconds: number;
  /** Requests that took part. */
  readonly requests: number;
  /** Seconds from a request that reports and claims to its answer. */
  readonly latency: { readonly p50_ms: number; readonly p99_ms: number };
}

interface Given {
  readonly job: { readonly id: string };
  readonly lease_token: number;
}

let fleet: SimulatedNode[] = [];
let slotsOfFleet = 0;

/** Registers the workers of the next drains and answers their ids. */
export async function enroll(options: Fleet): Promise<string[]> {
  for (const { connection } of fleet) connection.close();
  fleet = await register(options);
  slotsOfFleet = options.slots;
  return fleet.map(({ id }) => id);
}

/**
 * Workers that do nothing with a job but report it: each request reports all its jobs and claims as many.
 * Runs until nothing is left; checks that every job came once and every report was accepted.
 */
export async function drain({ jobs: expected }: { jobs: number }): Promise<Drained> {
  const seen = new Set<string>();
  const took: number[] = [];
  let requests = 0;
  const started = performance.now();
  let ended = started;
  await Promise.all(
    fleet.map(async ({ id, connection }) => {
      const claim = () => ({ claim_id: randomUUID(), max_jobs: slotsOfFleet });
      let { jobs } = await connection.call<{ jobs: Given[] }>(`/api/v1/nodes/${id}/claim`, {
        ...claim(),
        wait_seconds: 0,
      });
      while (jobs.length > 0) {
        for (const { job } of jobs) seen.add(job.id);
        const sent = performance.now();
        const answer = await connection.call<{ results: { outcome: string }[]; jobs: Given[] }>(
          `/api/v1/nodes/${id}/report`,
          {
            results: jobs.map(({ job, lease_token }) => ({
              job_id: job.id,
              lease_token,
              status: 'completed',
            })),
            claim: claim(),
          },
        );
        ended = performance.now();
        took.push(ended - sent);
        requests += 1;
        const refused = answer.results.find(({ outcome }) => outcome !== 'accepted');
        if (refused) throw new Error(`a report was ${refused.outcome}`);
        jobs = answer.jobs;
      }
    }),
  );
  if (seen.size !== expected) throw new Error(`${expected} jobs waited, ${seen.size} were handed out`);
  took.sort((a, b) => a - b);
  const percentile = (share: number) => took[Math.min(took.length - 1, Math.floor(took.length * share))] ?? 0;
  return {
    jobs: seen.size,
    seconds: (ended - started) / 1000,
    requests,
    latency: { p50_ms: percentile(0.5), p99_ms: percentile(0.99) },
  };
}
