import { afterAll, beforeAll, expect, it } from 'vitest';
import { eventually } from '../support/eventually.js';
import { describeWhere } from './rig/needs.js';
import { missingForPatroni, PatroniCluster } from './rig/patroni-cluster.js';
import { Rig } from './rig/rig.js';

describeWhere('under Patroni with a synchronous standby', missingForPatroni(), () => {
  let rig: Rig;
  let cluster: PatroniCluster;

  beforeAll(async () => {
    cluster = await PatroniCluster.start({ synchronous: true });
    rig = await Rig.start({ masters: 2, database: cluster });
  });

  afterAll(() => rig.stop());

  it('the primary is killed with its machine: nothing acknowledged is lost (F7, I1, I2, I4)', async () => {
    rig.addWorkers(3, { roams: true });
    rig.load({ perSecond: 10 });
    for (let round = 0; round < 2; round += 1) {
      const before = await acknowledged(50 * (round + 1));
      const old = await cluster.primary();
      await cluster.hasStandby();
      await cluster.killNode(old);
      const killed = performance.now();
      await eventually(async () => expect((await cluster.primary()).name).not.toBe(old.name), {
        within: 60_000,
      });
      rig.history.fault('F7', `killed ${old.name}, the primary`);
      const promoted = performance.now();
      await acknowledged(before + 50);
      console.info(
        `next primary after ${((promoted - killed) / 1000).toFixed(1)} s, submits again after ${((performance.now() - promoted) / 1000).toFixed(1)} s more`,
      );
      await cluster.reviveNode(old);
    }
    await rig.peace();
  });

  async function acknowledged(least: number): Promise<number> {
    const done = () => rig.history.of('submit').filter(({ job_ids }) => job_ids.length > 0).length;
    await eventually(() => expect(done()).toBeGreaterThanOrEqual(least), { within: 60_000 });
    return done();
  }
});
