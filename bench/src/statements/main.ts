/**
 * Dispatch's own statements without HTTP, in a process of its own: the repositories of the build, through
 * the pool of a master, with history, events, leases, counters and fences as ever. Lines of nodes each
 * claim with all their slots in one statement and report all of it in the next, so that the report of one
 * line overlaps the claim of another, as claims and reports of a master do.
 */
import { randomUUID } from 'node:crypto';
import type * as SettingsModule from '../../../src/config/settings.js';
import type * as Pool from '../../../src/database/pooled-database.js';
import type * as Claims from '../../../src/dispatch/claim.repository.js';
import type * as Reports from '../../../src/dispatch/report.repository.js';
import type * as Backoff from '../../../src/jobs/backoff.js';
import { answerCalls } from '../rig/remote-process.js';

// The build, as a master runs it: decorators are compiled there. A changed signature breaks the types here.
const dist = new URL('../../../dist/', import.meta.url);
const built = <Module>(file: string) => import(new URL(file, dist).href) as Promise<Module>;
const { PooledDatabase } = await built<typeof Pool>('database/pooled-database.js');
const { ClaimRepository } = await built<typeof Claims>('dispatch/claim.repository.js');
const { ReportRepository } = await built<typeof Reports>('dispatch/report.repository.js');
const { backoffTable } = await built<typeof Backoff>('jobs/backoff.js');
const { Settings } = await built<typeof SettingsModule>('config/settings.js');

export interface StatementDrain {
  readonly dsn: string;
  /** Registered nodes, divided evenly over the lines. */
  readonly nodes: readonly string[];
  readonly slots: number;
  /** Each has one statement in flight, so this is the number of connections too. */
  readonly lines: number;
  /** How many wait. */
  readonly jobs: number;
}

export interface StatementDrained {
  readonly jobs: number;
  readonly seconds: number;
}

async function drain({ dsn, nodes, slots, lines, jobs }: StatementDrain): Promise<StatementDrained> {
  const database = new PooledDatabase({ dsn, maxOpenConns: lines, maxIdleConns: lines });
  const claims = new ClaimRepository(database);
  const reports = new ReportRepository(database);
  const settings = new Settings();
  const backoff = backoffTable(settings.retry);
  const heads = await claims.wholeLaneHeads();
  const [lane] = heads;
  if (!lane || heads.length > 1) throw new Error(`jobs wait in ${heads.length} lanes; one was expected`);

  const seen = new Set<string>();
  // As the lane board of a master does: below it everything is taken.
  let mark = 0;
  const work = async (line: readonly string[]) => {
    for (;;) {
      const offered = mark;
      const answers = await claims.claim(
        [{ lane_id: lane.lane_id, low_water: offered }],
        line.map((node_id) => ({
          lane_id: lane.lane_id,
          node_id,
          claim_id: randomUUID(),
          wanted: slots,
        })),
        settings.workers.lease_duration,
      );
      const taken = answers.flatMap(({ attempts }, k) =>
        attempts.map((job) => ({ job, node_id: line[k] ?? '' })),
      );
      if (taken.length === 0) {
        if (offered === 0) return;
        mark = 0;
        continue;
      }
      for (const { job } of taken) {
        seen.add(job.id);
        mark = Math.max(mark, job.position);
      }
      const reported = await reports.report(
        taken.map(({ job, node_id }) => ({
          node_id,
          job_id: job.id,
          lease_token: job.lease_token,
          status: 'completed',
          result: null,
          error: null,
          failure_reason: null,
          permanent: false,
          jitter: 1,
          actor: 'bench',
        })),
        backoff,
      );
      const refused = reported.filter(({ accepted }) => !accepted).length;
      if (refused > 0) throw new Error(`${refused} of ${taken.length} reports were refused`);
    }
  };
  const began = performance.now();
  await Promise.all(
    Array.from({ length: lines }, (_, line) => work(nodes.filter((_node, k) => k % lines === line))),
  );
  const seconds = (performance.now() - began) / 1000;
  await database.close();
  if (seen.size !== jobs) throw new Error(`${jobs} jobs waited, ${seen.size} were handed out`);
  return { jobs, seconds };
}

export const statementCalls = { drain };

export type StatementCalls = typeof statementCalls;

answerCalls(statementCalls);
