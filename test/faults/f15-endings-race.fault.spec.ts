import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { ReportOutcome } from '../../src/protocol/report.js';
import type { Evidence } from './checker/evidence.js';
import { Rig } from './rig/rig.js';
import type { Caller } from './rig/recorder.js';

type Ending = 'completed' | 'failed' | 'canceled';

/** What who asked was told: a worker by the outcome of its report, an owner by the status of the cancel. */
type Told = ReportOutcome | number | undefined;

interface Attempt {
  readonly job_id: string;
  readonly lease_token: number;
  readonly max_retries: number;
}

const ORDERS: readonly (readonly Ending[])[] = [
  ['completed', 'failed', 'canceled'],
  ['completed', 'canceled', 'failed'],
  ['failed', 'completed', 'canceled'],
  ['failed', 'canceled', 'completed'],
  ['canceled', 'completed', 'failed'],
  ['canceled', 'failed', 'completed'],
];

/** Jobs of one wave, which all race at the same time; waves go on until each ending has come first once. */
const WAVE = 18;
const [LEAST_WAVES, MOST_WAVES] = [2, 30];

let rig: Rig;
let node: string;
let turn = 0;

beforeAll(async () => {
  rig = await Rig.start({ masters: 3, env: { WORKERS_LEASE_DURATION: '2m' } });
  node = await rig.addNode('racer', 1000);
});

afterAll(() => rig.stop());

it('complete, fail and cancel come to one job in every order: the first counts, the others are told so (F15, I3, I5)', async () => {
  for (const max_retries of [0, 3]) {
    for (const order of ORDERS) {
      const [attempt] = await begin(1, max_retries);
      if (!attempt) throw new Error('no job was claimed');
      const told = new Map<Ending, Told>();
      for (const ending of order) told.set(ending, await end(attempt, ending));
      const retries = order[0] === 'failed' && max_retries > 0;
      // A job that waits for its retry may still be canceled; one that was canceled cannot be.
      const expected: Record<Ending, Told> = {
        completed: order[0] === 'completed' ? 'accepted' : 'stale',
        failed: order[0] === 'failed' ? 'accepted' : 'stale',
        canceled: order[0] === 'canceled' || retries ? 200 : 409,
      };
      expect(Object.fromEntries(told), `${order.join(', ')} with ${max_retries} retries`).toEqual(expected);
    }
  }
  rig.history.fault('F15', 'complete, fail and cancel in all orders');
  expect(await leases()).toBe(0);
  await rig.peace();
});

it('complete, fail and cancel race at three masters: each job ends once, and everybody is told the truth (F15, I1, I3, I5, I6)', async () => {
  const first = new Map<Ending, number>();
  const raced: { attempt: Attempt; told: Map<Ending, Told> }[] = [];
  let waves = 0;
  while (waves < LEAST_WAVES || (first.size < 3 && waves < MOST_WAVES)) {
    waves += 1;
    const attempts = [...(await begin(WAVE / 2, 0)), ...(await begin(WAVE / 2, 3))];
    const results = await Promise.all(
      attempts.map(async (attempt, k) => {
        const order = ORDERS[k % ORDERS.length] ?? [];
        const told = await Promise.all(order.map(async (one) => [one, await end(attempt, one)] as const));
        return { attempt, told: new Map<Ending, Told>(told) };
      }),
    );
    for (const { attempt, told } of results) {
      const [winner] = await eventTypes(attempt);
      first.set(winner as Ending, (first.get(winner as Ending) ?? 0) + 1);
      raced.push({ attempt, told });
    }
  }
  expect([...first.keys()].sort()).toEqual(['canceled', 'completed', 'failed']);
  rig.history.fault('F15', `${raced.length} jobs whose endings raced`);
  expect(await leases()).toBe(0);

  rig.addWorkers(1);
  const evidence = await rig.peace();
  for (const { attempt, told } of raced) expectTruth(evidence, attempt, told);
  const together = raced.filter(({ attempt }) => metInFlight(evidence, attempt)).length;
  expect(together).toBeGreaterThanOrEqual(30);
  const who = [...first].map(([ending, count]) => `${ending} ${count}`).join(', ');
  console.info(`${raced.length} jobs, ${together} with all three in flight together; first came ${who}`);
});

/** Submits so many jobs and has them claimed. */
async function begin(count: number, max_retries: number): Promise<Attempt[]> {
  const caller = nextMaster();
  await rig.recorder.submit(
    caller,
    Array.from({ length: count }, () => ({ scenario: 'raced', max_retries })),
  );
  const held: Attempt[] = [];
  while (held.length < count) {
    const claim = { claim_id: randomUUID(), max_jobs: count - held.length, wait_seconds: 5 };
    const { reply } = await rig.recorder.claim(caller, node, claim);
    for (const { job, lease_token } of reply?.body.jobs ?? [])
      held.push({ job_id: job.id, lease_token, max_retries });
    expect(reply?.body.jobs.length, 'nothing was claimed').toBeGreaterThan(0);
  }
  return held;
}

/** Asks the next master for one ending. */
async function end({ job_id, lease_token }: Attempt, ending: Ending): Promise<Told> {
  const caller = nextMaster();
  if (ending === 'canceled') return (await rig.recorder.intervene(caller, 'cancel', job_id))?.status;
  const failed = { error: 'as the test wanted', failure_reason: 'runtime_error' as const };
  const result = { job_id, lease_token, status: ending, ...(ending === 'failed' && failed) };
  const { reply } = await rig.recorder.report(caller, node, [result]);
  return reply?.body.results[0]?.outcome;
}

/** The log says of one attempt what its three askers were told. */
function expectTruth({ events, jobs }: Evidence, attempt: Attempt, told: ReadonlyMap<Ending, Told>): void {
  const log = events.filter(({ job_id }) => job_id === attempt.job_id);
  const mine = log.filter(
    ({ lease_token, type }) => lease_token === attempt.lease_token && type !== 'assigned',
  );
  const ended = mine.find(({ from_status }) => from_status === 'assigned' || from_status === 'running');
  const retried = ended?.type === 'retrying';
  expect(told.get('completed')).toBe(ended?.type === 'completed' ? 'accepted' : 'stale');
  expect(told.get('failed')).toBe(ended?.type === 'failed' || retried ? 'accepted' : 'stale');
  const canceled = log.filter(({ type }) => type === 'canceled');
  expect(told.get('canceled')).toBe(canceled.length === 1 ? 200 : 409);
  const final = jobs.find(({ id }) => id === attempt.job_id)?.status;
  expect(final).toBe(canceled.length === 1 ? 'canceled' : retried ? 'completed' : ended?.to_status);
  expect(attempt.max_retries > 0 || !retried).toBe(true);
  const ends = log.filter(({ to_status }) => ['completed', 'failed', 'canceled'].includes(to_status));
  expect(ends).toHaveLength(1);
}

/** Whether the three requests for the end of this attempt were in flight at one moment. */
function metInFlight({ operations }: Evidence, { job_id, lease_token }: Attempt): boolean {
  const three = operations.filter(
    (one) =>
      (one.kind === 'report' && one.results.some((each) => each.lease_token === lease_token)) ||
      (one.kind === 'cancel' && one.job_id === job_id),
  );
  expect(three).toHaveLength(3);
  return Math.max(...three.map(({ begin }) => begin)) < Math.min(...three.map(({ end = 0 }) => end));
}

/** How an attempt ended, by the log, as the ending that was asked for. */
async function eventTypes({ job_id, lease_token }: Attempt): Promise<string[]> {
  const rows = await rig.query<{ type: string }>(
    `SELECT CASE type WHEN 'retrying' THEN 'failed' ELSE type END AS type FROM ffmpeg_master.job_events
     WHERE job_id = $1 AND lease_token = $2 AND from_status IN ('assigned', 'running') AND type <> 'started' ORDER BY n`,
    [job_id, lease_token],
  );
  return rows.map(({ type }) => type);
}

/** Slots that are still taken. */
async function leases(): Promise<number> {
  const [row] = await rig.query<{ n: number }>(
    `SELECT greatest((SELECT count(*) FROM ffmpeg_master.leases),
                     (SELECT sum(running) FROM ffmpeg_master.node_counters))::int AS n`,
  );
  return row?.n ?? NaN;
}

function nextMaster(): Caller {
  const urls = rig.urls();
  const url = urls[(turn += 1) % urls.length] ?? '';
  return { name: 'racer', url: () => url };
}
