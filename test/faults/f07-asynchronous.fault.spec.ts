import { afterAll, beforeAll, expect, it } from 'vitest';
import { eventually } from '../support/eventually.js';
import { attemptsOf, handOutsOf } from './checker/attempts.js';
import { check } from './checker/check.js';
import { operationsOf, type Evidence } from './checker/evidence.js';
import { hasDebianPostgres } from './rig/debian-server.js';
import { keepFigures } from './rig/figures.js';
import type { Submit } from './rig/history.js';
import { describeWhere } from './rig/needs.js';
import { Rig } from './rig/rig.js';
import { StandbyPair } from './rig/standby-pair.js';

/** How late the standby hears of a commit. */
const LATE_MS = 1_000;
/** A third of the lease, as by the defaults: a worker hears of a lost claim no sooner. */
const [HEARTBEAT_MS, LEASE] = [5_000, '15s'];
/** Fail-overs, until one has lost a submit and a claim: what is on its way in the moment of a kill is chance. */
const MOST_ROUNDS = 4;

describeWhere('an asynchronous standby', hasDebianPostgres() ? [] : ['postgresql-15'], () => {
  let rig: Rig;
  let pair: StandbyPair;

  beforeAll(async () => {
    pair = await StandbyPair.start({ synchronous: false, lateBy: LATE_MS });
    rig = await Rig.start({ masters: 2, database: pair, env: { WORKERS_LEASE_DURATION: LEASE } });
  });

  afterAll(() => rig.stop());

  it('is promoted when the primary is gone: what it had not heard of is lost, and no more; no number comes twice (F7, I2, I4)', async () => {
    // Attempts that outlast a fail-over, so that a worker may still run what another one is given.
    rig.addWorkers(2, {
      roams: true,
      slots: 30,
      heartbeatMs: HEARTBEAT_MS,
      workMs: () => 5_000 + rig.random.below(3_000),
    });
    const load = rig.load({ perSecond: 8 });
    const kills: number[] = [];
    for (let lost = false; !lost && kills.length < MOST_ROUNDS;) {
      if (kills.length > 0) await pair.rejoin();
      await rig.worksOn(20, 60_000);
      const epoch = await rig.epoch();
      kills.push(performance.now());
      await pair.primary.kill();
      await pair.promote();
      rig.history.fault('F7', 'killed the primary of an asynchronous standby');
      // How soon is measured elsewhere.
      for (const master of rig.masters) await master.ready(90_000);
      // What was issued and forgotten is not issued again: epoch and tokens jumped.
      await eventually(async () => expect(await rig.epoch()).toBeGreaterThan(epoch + 2 ** 32), {
        within: 60_000,
      });
      // What the load and the workers are told from now on is not in what the database is asked for.
      const operations = [...rig.history.operations];
      const now = { ...(await rig.evidence(false)), operations };
      lost = lostSubmits(now).length > 0 && lostClaims(now).size > 0;
    }
    await load.stop();
    await eventually(async () => expect(await rig.query('SELECT 1 FROM ffmpeg_master.jobs')).toEqual([]), {
      within: 120_000,
      every: 100,
    });
    await Promise.all(rig.workers.map((worker) => worker.stop()));

    const evidence = await rig.evidence(true);
    const [submits, claims] = [lostSubmits(evidence), lostClaims(evidence)];
    // The fault: something was lost, and only what was young.
    expect(submits.length).toBeGreaterThan(0);
    expect(claims.size).toBeGreaterThan(0);
    const ages = submits.map(({ end = 0 }) => Math.min(...kills.map((killed) => Math.abs(killed - end))));
    expect(Math.max(...ages)).toBeLessThan(LATE_MS + 2_000);
    const tokens = evidence.events
      .filter(({ type }) => type === 'assigned')
      .map(({ lease_token }) => lease_token ?? 0);
    expect(Math.max(...tokens)).toBeGreaterThan(2 ** 32);
    const given = rig.history
      .of('claim')
      .flatMap(({ handed }) => handed.map(({ lease_token }) => lease_token));
    expect(new Set(given).size).toBe(given.length);

    // Whose claim was lost runs on until a heartbeat tells it, beside whoever is given the job anew; no other does.
    const overlaps = overlapsOf(evidence);
    for (const { lease_token } of overlaps) expect(claims).toContain(lease_token);
    // What it makes counts for nothing.
    const told = rig.history
      .of('report')
      .flatMap(({ results }) => results.filter(({ lease_token }) => claims.has(lease_token)));
    expect(told.filter(({ outcome }) => outcome === 'accepted' || outcome === 'duplicate')).toEqual([]);

    // All else holds: the checker misses just these submits, reports that were young as well, and sees the overlaps.
    const violations = check(evidence);
    const reports = violations.filter(({ detail }) => /(accepted|duplicate) report/.test(detail));
    const doubled = violations.filter(({ detail }) => detail.endsWith('still held'));
    expect(doubled).toHaveLength(overlaps.length);
    const others = violations.filter((one) => !doubled.includes(one));
    expect(others.filter(({ invariant }) => invariant !== 'I1')).toEqual([]);
    expect(others).toHaveLength(submits.length + reports.length);
    const figures = {
      late_ms: LATE_MS,
      heartbeat_ms: HEARTBEAT_MS,
      kills: kills.length,
      acknowledged: acknowledged(evidence).length,
      lost: submits.length,
      oldest_ms: Math.round(Math.max(...ages)),
      reports: reports.length,
      claims: claims.size,
      overlaps: overlaps.length,
      longest_overlap_ms: Math.round(Math.max(0, ...overlaps.map(({ ms }) => ms))),
    };
    console.info(`lost with an asynchronous standby: ${JSON.stringify(figures)}`);
    keepFigures('asynchronous', figures);
    rig.expectNobodyDied();
    await rig.expectVerified();
  });
});

function acknowledged({ operations }: Evidence): Submit[] {
  return operationsOf(operations, 'submit').filter(({ job_ids }) => job_ids.length > 0);
}

function lostSubmits(evidence: Evidence): Submit[] {
  const kept = new Set(evidence.jobs.map(({ id }) => id));
  return acknowledged(evidence).filter(({ job_ids }) => job_ids.some((id) => !kept.has(id)));
}

/** The tokens of attempts that a worker was given and the database knows nothing of. */
function lostClaims({ operations, events }: Evidence): Set<number> {
  const kept = new Set(
    events.filter(({ type }) => type === 'assigned').map(({ lease_token }) => lease_token),
  );
  return new Set(
    handOutsOf(operations)
      .map(({ lease_token }) => lease_token)
      .filter((token) => !kept.has(token)),
  );
}

/** Attempts that their worker ran when the same job was given anew, and for how long it still did. */
function overlapsOf(evidence: Evidence): { lease_token: number; ms: number }[] {
  return [...attemptsOf(evidence).values()].flatMap((attempts) =>
    attempts.flatMap((later, k) => {
      const given = later.handOuts[0]?.end ?? Infinity;
      return attempts
        .slice(0, k)
        .filter(({ believedUntil }) => given < believedUntil)
        .map(({ lease_token, believedUntil }) => ({ lease_token, ms: believedUntil - given }));
    }),
  );
}
