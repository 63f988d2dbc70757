/** Follows jobs to their ends by GET: a look costs a master less than an open stream each. */
import type { Job } from '../../protocol/job.js';
import { isTerminal } from '../../protocol/job-status.js';
import { Refusal, Unreachable } from '../rest/refusal.js';
import type { RestClient } from '../rest/rest-client.js';

export interface WatchOptions {
  readonly onChange: (job: Job) => void;
  /** Milliseconds between two looks; default 500. */
  readonly every?: number;
  /** How long all masters may be away, in milliseconds; default a minute, for a fail-over takes seconds. */
  readonly patience?: number;
  readonly signal?: AbortSignal;
}

/** Answers the jobs in their final states, in the order of `references`. */
export async function watchJobs(
  client: RestClient,
  references: readonly string[],
  { onChange, every = 500, patience = 60_000, signal }: WatchOptions,
): Promise<Job[]> {
  const found = new Map<string, Job>();
  let open = [...new Set(references)];
  let answered = Date.now();
  for (;;) {
    try {
      for (const job of await lookAt(client, open)) {
        found.set(job.reference, job.job);
        onChange(job.job);
      }
      answered = Date.now();
    } catch (error) {
      const away = error instanceof Unreachable || (error instanceof Refusal && error.status >= 500);
      if (!away || Date.now() - answered > patience) throw error;
    }
    open = open.filter((reference) => !isTerminal(found.get(reference)?.status ?? 'queued'));
    if (open.length === 0) return references.flatMap((reference) => found.get(reference) ?? []);
    await pause(every, signal);
  }
}

const AT_ONCE = 20;

async function lookAt(
  client: RestClient,
  references: readonly string[],
): Promise<{ reference: string; job: Job }[]> {
  const looks: { reference: string; job: Job }[] = [];
  for (let start = 0; start < references.length; start += AT_ONCE) {
    const some = references.slice(start, start + AT_ONCE);
    looks.push(
      ...(await Promise.all(
        some.map(async (reference) => ({
          reference,
          job: await client.get<Job>(`/jobs/${encodeURIComponent(reference)}`),
        })),
      )),
    );
  }
  return looks;
}

function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason as Error);
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', stop);
      resolve();
    }, ms);
    const stop = () => {
      clearTimeout(timer);
      reject(signal?.reason as Error);
    };
    signal?.addEventListener('abort', stop, { once: true });
  });
}
