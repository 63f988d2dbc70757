import { afterAll, beforeAll, expect, it } from 'vitest';
import { eventually } from '../support/eventually.js';
import { check } from './checker/check.js';
import { hasDebianPostgres } from './rig/debian-server.js';
import { keepFigures } from './rig/figures.js';
import { describeWhere } from './rig/needs.js';
import { Rig } from './rig/rig.js';
import { StandbyPair } from './rig/standby-pair.js';

/** How late the standby hears of a commit. */
const LATE_MS = 300;

describeWhere('an asynchronous standby', hasDebianPostgres() ? [] : ['postgresql-15'], () => {
  let rig: Rig;
  let pair: StandbyPair;

  beforeAll(async () => {
    pair = await StandbyPair.start({ synchronous: false, lateBy: LATE_MS });
    rig = await Rig.start({ masters: 2, database: pair });
  });

  afterAll(() => rig.stop());

  it('is promoted when the primary is gone: what it had not heard of is lost, and no more; no number comes twice (F7, I2, I4)', async () => {
    rig.addWorkers(2, { roams: true });
    const load = rig.load({ perSecond: 40 });
    await rig.worksOn(40);
    const epoch = await rig.epoch();
    const killed = performance.now();
    await pair.primary.kill();
    await pair.promote();
    rig.history.fault('F7', 'killed the primary of an asynchronous standby');
    for (const master of rig.masters) await master.ready();
    await load.stop();

    const acknowledged = rig.history.of('submit').filter(({ job_ids }) => job_ids.length > 0);
    const kept = await eventually(async () => {
      const rows = await rig.query<{ id: string }>(
        'SELECT id FROM ffmpeg_master.jobs UNION SELECT id FROM ffmpeg_master.job_history',
      );
      return new Set(rows.map(({ id }) => id));
    });
    const lost = acknowledged.filter(({ job_ids }) => job_ids.some((id) => !kept.has(id)));
    // The fault: something was lost, and only what was young.
    expect(lost.length).toBeGreaterThan(0);
    const oldest = Math.max(...lost.map(({ end = 0 }) => killed - end));
    expect(oldest).toBeLessThan(LATE_MS + 2_000);

    // What was issued and forgotten is not issued again: epoch and tokens jumped.
    await eventually(async () => expect(await rig.epoch()).toBeGreaterThan(epoch + 2 ** 32), {
      within: 15_000,
    });
    await rig.submit(5);
    await eventually(async () => expect(await rig.query('SELECT 1 FROM ffmpeg_master.jobs')).toEqual([]), {
      within: 30_000,
    });
    await Promise.all(rig.workers.map((worker) => worker.stop()));
    const [last] = await rig.query<{ token: number }>(
      `SELECT max(lease_token)::float8 AS token FROM ffmpeg_master.job_events WHERE type = 'assigned'`,
    );
    expect(last?.token).toBeGreaterThan(2 ** 32);
    const tokens = rig.history
      .of('claim')
      .flatMap(({ handed }) => handed.map(({ lease_token }) => lease_token));
    expect(new Set(tokens).size).toBe(tokens.length);
    // All else holds: the checker misses just these submits, and reports that were young as well.
    const violations = check(await rig.evidence(true));
    const lostReports = violations.filter(({ detail }) => detail.includes('accepted report'));
    expect(violations.filter(({ invariant }) => invariant !== 'I1')).toEqual([]);
    expect(violations).toHaveLength(lost.length + lostReports.length);
    const figures = {
      late_ms: LATE_MS,
      acknowledged: acknowledged.length,
      lost: lost.length,
      reports: lostReports.length,
      oldest_ms: Math.round(oldest),
    };
    console.info(`lost of ${acknowledged.length} acknowledged submits: ${JSON.stringify(figures)}`);
    keepFigures('asynchronous', figures);
    rig.expectNobodyDied();
    await rig.expectVerified();
  });
});
