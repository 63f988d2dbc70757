/**
 * The loads that ffmpeg-rtmp's roadmap asked for, by its own wire: 10,000 jobs with 100 agents that poll for one at a time,
 * 1,000 submissions a second, and a master killed under load, behind a balancer of layer 4. Its agents poll every 10 s; these
 * poll as soon as they have reported.
 */
import { setTimeout as wait } from 'node:timers/promises';
import { GoClient } from '../../../test/ffrtmp/go-client.js';
import { TcpBalancer } from '../../../test/ffrtmp/tcp-balancer.js';
import { KEY, Masters } from '../rig/masters.js';
import { queryOnce } from '../rig/postgres.js';
import type { Bench, Suite } from '../suite.js';

const JOBS = 10_000;
const AGENTS = 100;
const MASTERS = 3;

/** Submissions a second, and for how many seconds. */
const RATE = 1_000;
const SECONDS = 10;

/** Where the master is killed, of all jobs. */
const KILLED_AT = JOBS / 4;

export const ffrtmp: Suite = {
  name: 'ffrtmp',
  about: "ffmpeg-rtmp's agents and CLI, by its own wire",
  async run(bench) {
    bench.log(
      'SKIPPED: ten tenants with 1,000 jobs each. There are no tenants yet; their routes answer 501.',
    );
    const postgres = await bench.postgres();
    for (let round = 0; round < bench.rounds; round += 1) {
      const masters = await Masters.start(MASTERS, await postgres.database());
      const balancer = await TcpBalancer.start(masters.urls);
      let ended: Promise<void> | undefined;
      const end = (): Promise<void> =>
        (ended ??= Promise.all([balancer.stop(), masters.stop()]).then(() => undefined));
      bench.atEnd(end);
      await submissions(bench, balancer.url);
      const agents = await register(balancer.url, AGENTS);
      await drain(agents);
      await submit(balancer.url, JOBS);
      const seconds = await drain(agents, bench);
      bench.add('agents.jobs_per_second', 'jobs/s', JOBS / seconds);

      await submit(balancer.url, JOBS);
      const [victim] = masters.pids;
      const failed = await drainWithAKill(agents, () => process.kill(victim ?? 0, 'SIGKILL'));
      bench.add('killed.failed_calls', 'calls', failed);
      const [row] = await queryOnce<{ ended: string; twice: string }>(
        masters.dsn,
        `SELECT count(*) AS ended, count(*) FILTER (WHERE e.n > 1) AS twice
         FROM (SELECT count(*) AS n FROM ffmpeg_master.job_events WHERE type = 'completed' GROUP BY job_id) e`,
      );
      const wanted = RATE * SECONDS + 2 * JOBS;
      if (Number(row?.ended) !== wanted || Number(row?.twice) !== 0)
        throw new Error(
          `${row?.ended} of ${wanted} jobs were completed, ${row?.twice} of them more than once; ` +
            `the others: ${await stateOfOthers(masters.dsn)}`,
        );
      for (const agent of agents) agent.client.close();
      // Those of the next round need the connections of these.
      await end();
    }
    bench.atLeast('submissions_per_second', bench.median('submissions.jobs_per_second'), RATE * 0.99);
    bench.atMost('killed.failed_calls', bench.median('killed.failed_calls'), 0);
  },
};

/** What became of jobs that are not completed, for the error that tells of them. */
async function stateOfOthers(dsn: string): Promise<string> {
  const rows = await queryOnce<{ what: string }>(
    dsn,
    `SELECT format('%s %s of attempt %s since %s', count(*), j.status, j.attempt,
                   date_trunc('second', now() - max(coalesce(j.assigned_at, j.created_at)))) AS what
     FROM ffmpeg_master.jobs j GROUP BY j.status, j.attempt`,
  );
  return rows.map(({ what }) => what).join(', ');
}

interface Agent {
  readonly client: GoClient;
  readonly node: string;
}

/** The agent's own tries and pauses. */
function clientOf(url: string): GoClient {
  return new GoClient({ url, key: KEY });
}

function register(url: string, count: number): Promise<Agent[]> {
  return Promise.all(
    Array.from({ length: count }, async (_, n) => {
      const client = clientOf(url);
      const body = JSON.stringify({
        address: `encoder-${n}`,
        type: 'server',
        cpu_threads: 8,
        ram_total_bytes: 1e9,
      });
      const { id } = JSON.parse(await client.insist('POST', '/nodes/register', body, 201)) as { id: string };
      return { client, node: id };
    }),
  );
}

const JOB = JSON.stringify({ scenario: 'clip', parameters: { bitrate: '2000k' } });

async function submit(url: string, count: number): Promise<void> {
  const clients = Array.from({ length: 32 }, () => clientOf(url));
  let left = count;
  await Promise.all(
    clients.map(async (client) => {
      while ((left -= 1) >= 0) await client.insist('POST', '/jobs', JOB, 201);
      client.close();
    }),
  );
}

/** An open loop: each is sent at its time, whatever became of those before. */
async function submissions(bench: Bench, url: string): Promise<void> {
  const client = clientOf(url);
  const latencies: number[] = [];
  const sent: Promise<void>[] = [];
  const began = performance.now();
  for (let n = 0; n < RATE * SECONDS; n += 1) {
    const due = began + (n * 1000) / RATE;
    while (performance.now() < due) await wait(1);
    sent.push(
      client.insist('POST', '/jobs', JOB, 201).then(() => void latencies.push(performance.now() - due)),
    );
  }
  await Promise.all(sent);
  bench.add('submissions.jobs_per_second', 'jobs/s', (RATE * SECONDS * 1000) / (performance.now() - began));
  latencies.sort((a, b) => a - b);
  for (const [name, part] of [
    ['p50', 0.5],
    ['p99', 0.99],
  ] as const)
    bench.add(`submissions.${name}`, 'ms', latencies[Math.floor(latencies.length * part)] ?? 0);
  client.close();
}

/** Until no agent is given a job; answers the seconds until the last result. */
async function drain(agents: readonly Agent[], bench?: Bench): Promise<number> {
  const polls: number[] = [];
  const began = performance.now();
  let last = began;
  await Promise.all(
    agents.map(async ({ client, node }) => {
      for (;;) {
        const asked = performance.now();
        const job = await next(client, node);
        polls.push(performance.now() - asked);
        if (job === undefined) return;
        await report(client, node, job);
        last = performance.now();
      }
    }),
  );
  polls.sort((a, b) => a - b);
  bench?.add('agents.poll_p99', 'ms', polls[Math.floor(polls.length * 0.99)] ?? 0);
  return (last - began) / 1000;
}

/** Answers how many calls failed for good: all tries of an agent used up. */
async function drainWithAKill(agents: readonly Agent[], kill: () => void): Promise<number> {
  let [done, failed] = [0, 0];
  await Promise.all(
    agents.map(async ({ client, node }) => {
      for (;;) {
        try {
          const job = await next(client, node);
          if (job === undefined) return;
          await report(client, node, job);
        } catch {
          failed += 1;
        }
        if ((done += 1) === KILLED_AT) kill();
      }
    }),
  );
  return failed;
}

async function next(client: GoClient, node: string): Promise<string | undefined> {
  const { job } = JSON.parse(await client.insist('GET', `/jobs/next?node_id=${node}`, null)) as {
    job: { id: string } | null;
  };
  return job?.id;
}

async function report(client: GoClient, node: string, job: string): Promise<void> {
  await client.insist(
    'POST',
    '/results',
    JSON.stringify({ job_id: job, node_id: node, status: 'completed', logs: 'frame=1' }),
  );
}
