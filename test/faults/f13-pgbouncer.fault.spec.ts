import { afterAll, beforeAll, expect, it } from 'vitest';
import { eventually } from '../support/eventually.js';
import { pgbouncerProgram } from '../support/pgbouncer.js';
import { run } from '../e2e/support/program.js';
import { KEY } from './rig/master.js';
import { describeWhere } from './rig/needs.js';
import { PooledServer } from './rig/pooled-server.js';
import { Rig } from './rig/rig.js';

/** Fewer than the masters' own pools would open. */
const POOL_SIZE = 5;

describeWhere('behind PgBouncer in transaction mode', pgbouncerProgram() ? [] : ['pgbouncer'], () => {
  let rig: Rig;
  let database: PooledServer;

  beforeAll(async () => {
    database = await PooledServer.start(POOL_SIZE);
    rig = await Rig.start({ masters: 3, database });
  });

  afterAll(() => rig.stop());

  it('a cluster works, and its leader is followed when it is killed (F13, I1, I2, I4, I10)', async () => {
    await rig.read();
    rig.addWorkers(4, { roams: true });
    rig.load({ perSecond: 20 });
    const leader = await rig.leader();
    await leader.kill();
    await rig.leader();
    await rig.submit(200);
    // The fault: the pools of all masters share the pooler's few connections.
    const look = `
      SELECT count(*) FILTER (WHERE client_port IS NOT NULL AND application_name = 'ffmpeg-master')::int AS pooled,
             count(*) FILTER (WHERE application_name IN ('ffmpeg-master lock', 'ffmpeg-master listener'))::int AS direct
      FROM pg_stat_activity`;
    // Two masters have a lock session and a listener each, once the killed one's sessions are gone and the others' are there.
    await eventually(
      async () => {
        const [seen] = await rig.admin<{ pooled: number; direct: number }>(look);
        expect(seen?.pooled).toBeLessThanOrEqual(POOL_SIZE);
        expect(seen?.pooled).toBeGreaterThan(0);
        expect(seen?.direct).toBe(4);
      },
      { within: 15_000 },
    );
    await rig.peace();
  });

  it('a direct_dsn that leads to the pooler is refused at the start, with the reason (F13)', async () => {
    const pooled = database.dsn(database.pool);
    const env = { DATABASE_DSN: pooled, DATABASE_DIRECT_DSN: pooled, MASTER_API_KEY: KEY };
    const refused = await run(['serve', '--port', '0', '--metrics-port', '0'], {
      ...env,
      API_PORT: '0',
      METRICS_PORT: '0',
    });
    expect(refused.status).toBe(2);
    expect(refused.output).toContain('database.direct_dsn');
    expect(refused.output).toContain('behind a pooler, session locks exclude nobody');
  });
});
