import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { ReportStatus } from '../../src/protocol/report.js';
import { Rig } from './rig/rig.js';

let rig: Rig;

beforeAll(async () => {
  // Longer than the test: no lease may end by itself while rows are compared.
  rig = await Rig.start({ masters: 2, env: { WORKERS_LEASE_DURATION: '2m' } });
});

afterAll(() => rig.stop());

it('a worker lies about nodes, jobs and tokens: it is told so by every master, and no row changes (F23, I2, I3, I5)', async () => {
  const [first = ''] = rig.urls();
  const caller = { name: 'honest', url: () => first };
  const honest = await rig.addNode('honest', 4);
  const liar = await rig.addNode('liar', 4);
  // One batch: one claim is given both.
  await rig.recorder.submit(caller, [{ scenario: 'finished' }, { scenario: 'held' }]);
  const claim_id = randomUUID();
  const { reply } = await rig.recorder.claim(caller, honest, { claim_id, max_jobs: 2, wait_seconds: 5 });
  const [finished, held] = (reply?.body.jobs ?? []).map(({ job, lease_token }) => ({
    job_id: job.id,
    lease_token,
  }));
  if (!finished || !held) throw new Error('the honest node was not given two jobs');
  await rig.recorder.heartbeat(caller, honest, [{ ...held, started: true }]);
  const ended = await rig.recorder.report(caller, honest, [{ ...finished, status: 'completed' }]);
  expect(ended.reply?.body.results[0]?.outcome).toBe('accepted');
  const before = await rows();
  expect(before.leases).toHaveLength(1);

  let lies = 0;
  for (const url of rig.urls()) {
    const teller = { name: 'liar', url: () => url };
    const unknown = { job_id: randomUUID(), lease_token: held.lease_token };
    const wrong = [-1, 1, 1000].map((by) => ({ ...held, lease_token: held.lease_token + by }));
    const told = [
      { node: liar, attempts: [held, finished, unknown] },
      { node: honest, attempts: [...wrong.filter(({ lease_token }) => lease_token > 0), finished, unknown] },
    ];
    for (const { node, attempts } of told) {
      const progress = { started: true, progress: 99 };
      const beat = await rig.recorder.heartbeat(
        teller,
        node,
        attempts.map((attempt) => ({ ...attempt, ...progress })),
      );
      expect(beat.reply?.body.attempts.map(({ lease }) => lease)).toEqual(attempts.map(() => 'lost'));
      lies += attempts.length;
      for (const status of ['completed', 'failed', 'canceled', 'released'] as ReportStatus[]) {
        // The word that a finished attempt ended as it did is no lie, whoever repeats it.
        const expected = attempts.map((one) =>
          one === finished && status === 'completed' ? 'duplicate' : 'stale',
        );
        const results = attempts.map((attempt) => ({ ...attempt, status }));
        const claim = { claim_id: randomUUID(), max_jobs: 4 };
        const report = await rig.recorder.report(teller, node, results, claim);
        expect(report.reply?.body.results.map(({ outcome }) => outcome)).toEqual(expected);
        expect(report.reply?.body.jobs).toEqual([]);
        lies += attempts.length;
      }
    }
    for (const { job_id, lease_token } of [...wrong.slice(1), finished, unknown]) {
      const chunk = { lease_token, offset: 0, text: 'a lie' };
      const answer = await rig.recorder.post(teller, `/jobs/${job_id}/logs`, chunk);
      expect(answer).toMatchObject({ status: 409, body: { lease: 'lost' } });
      lies += 1;
    }
    // Another's claim id gives nothing; a node that is none is told to register.
    const stolen = await rig.recorder.claim(teller, liar, { claim_id, max_jobs: 2, wait_seconds: 0 });
    expect(stolen.reply?.body).toEqual({ jobs: [] });
    const nobody = randomUUID();
    const claimed = await rig.recorder.claim(teller, nobody, { claim_id, max_jobs: 2, wait_seconds: 0 });
    const beaten = await rig.recorder.heartbeat(teller, nobody, [held]);
    const reported = await rig.recorder.report(teller, nobody, [{ ...held, status: 'completed' }]);
    expect([claimed, beaten, reported].map(({ reply }) => reply?.status)).toEqual([404, 404, 404]);
    const headers = { authorization: 'Bearer not-the-key-of-anybody' };
    const body = { results: [{ ...held, status: 'completed' }] };
    const keyless = await rig.recorder.post(teller, `/nodes/${honest}/report`, body, { headers });
    expect(keyless?.status).toBe(401);
    lies += 5;
  }
  rig.history.fault('F23', `${lies} lies`);
  expect(await rows()).toEqual(before);

  // Whom they were about never noticed.
  const beat = await rig.recorder.heartbeat(caller, honest, [held]);
  expect(beat.reply?.body.attempts[0]?.lease).toBe('extended');
  const report = await rig.recorder.report(caller, honest, [{ ...held, status: 'completed' }]);
  expect(report.reply?.body.results[0]?.outcome).toBe('accepted');
  await rig.peace();
  console.info(`${lies} lies to ${rig.urls().length} masters, none believed`);
});

/** All that a worker's word could change, but for when a node was last seen. */
async function rows(): Promise<Record<string, unknown[]>> {
  const tables = ['jobs', 'leases', 'job_history', 'job_events', 'job_logs', 'nodes', 'node_counters'];
  const found: Record<string, unknown[]> = {};
  for (const table of [...tables, 'queue_counters', 'idempotency_keys']) {
    const all = await rig.query<{ row: unknown }>(
      `SELECT to_jsonb(t) AS row FROM ffmpeg_master.${table} t ORDER BY to_jsonb(t)::text`,
    );
    found[table] = all.map(({ row }) => row);
  }
  return found;
}
