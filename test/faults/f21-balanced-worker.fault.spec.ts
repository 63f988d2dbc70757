import { afterAll, beforeAll, expect, it } from 'vitest';
import { eventually } from '../support/eventually.js';
import { Balancer, hasHaproxy } from './rig/balancer.js';
import { describeWhere } from './rig/needs.js';
import { clip, published, said } from './rig/real-work.js';
import { Rig } from './rig/rig.js';

const JOBS = 30;

describeWhere('behind HAProxy, each request to the next master', hasHaproxy() ? [] : ['haproxy'], () => {
  let rig: Rig;
  let balancer: Balancer;

  beforeAll(async () => {
    // No lease shall run out: then a job that came twice would look like one that was requeued.
    rig = await Rig.start({ masters: 3, env: { WORKERS_LEASE_DURATION: '2m' } });
    balancer = await Balancer.start(rig.masters, rig.directory);
  });

  afterAll(async () => {
    await rig.stop();
    await balancer.stop();
  });

  it('a worker registers, claims, beats and reports at another master each time, and each job runs once (F21, I1, I2, I3)', async () => {
    const urls = () => [balancer.url];
    const worker = await rig.addRealWorker('balanced', ['--slots', '1', '--queue', 'default'], {}, urls());
    // Two that are known take short ones, a real one real ones.
    rig.addWorkers(2, { urls, queues: ['short'] });
    const real = await rig.submit(6, (k) => clip(`${k}.mp4`, 5));
    const load = rig.load({ urls, job: (k) => ({ scenario: `short ${k}`, queue: 'short' }) });
    await eventually(() => expect(load.jobIds.length).toBeGreaterThanOrEqual(JOBS), { within: 30_000 });
    await eventually(() => expect(published(rig.outputDir).size).toBe(real.length), { within: 60_000 });

    // The fault: every master answered requests of each kind. Whose turn a heartbeat meets is chance: 12 met two of them.
    for (const route of ['claim', 'heartbeat', 'report']) {
      const answered = await eventually(
        async () => {
          const times = await Promise.all(
            rig.masters.map((master) => master.metric('ffrtmp_http_requests_total', `/${route}"`)),
          );
          expect(Math.min(...times), `${route}: ${times.join(', ')}`).toBeGreaterThan(0);
          return times;
        },
        { within: 60_000, every: 200 },
      );
      rig.history.fault('F21', `${route} was answered by masters ${answered.join(', ')} times`);
      console.info(`${route}: answered ${answered.join(', ')} times by the three masters`);
    }

    await load.stop();
    const { events } = await rig.peace();
    for (const id of [...real, ...load.jobIds]) {
      const types = events.filter(({ job_id }) => job_id === id).map(({ type }) => type);
      expect(types.filter((type) => type !== 'started')).toEqual(['submitted', 'assigned', 'completed']);
    }
    expect(said(worker, 'attempt reported').map(({ outcome }) => outcome)).toEqual(
      real.map(() => 'accepted'),
    );
  });
});
