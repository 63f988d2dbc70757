import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { eventually } from '../support/eventually.js';
import { Rig } from './rig/rig.js';
import { SingleServer } from './rig/single-server.js';

let rig: Rig;
const hoarded: pg.Client[] = [];

beforeAll(async () => {
  const database = await SingleServer.start({ max_connections: '40', superuser_reserved_connections: '3' });
  rig = await Rig.start({ masters: 2, database, env: { DATABASE_CONN_MAX_LIFETIME: '2s' } });
});

afterAll(async () => {
  await letGo();
  await rig.stop();
});

it('max_connections is reached: masters go on with what they have, wait for the rest, and lose nothing (F10, I1, I2)', async () => {
  rig.addWorkers(3, { roams: true });
  rig.load({ perSecond: 10 });
  await rig.worksOn();

  await hoard();
  const told = await refusals();
  rig.history.fault('F10', `${hoarded.length} connections hoarded`);
  const late = await rig.launchMaster();
  // The fault: masters were told, for their pools renew what is older than two seconds.
  await eventually(async () => expect(await refusals()).toBeGreaterThan(told), { within: 40_000 });
  await eventually(
    async () => {
      // What their pools give back in the meantime is not left for the late one.
      await hoard();
      expect(late.program.output).toMatch(REFUSED);
    },
    { within: 40_000, every: 100 },
  );
  for (const master of [...rig.masters]) expect(master.running).toBe(true);

  await letGo();
  await late.ready();
  for (const master of rig.masters) await master.ready();
  await rig.worksOn();
  await rig.peace();
});

const REFUSED = /too many clients|remaining connection slots/;

/** Of anybody, the hoarder among them. */
async function refusals(): Promise<number> {
  return (await rig.database.logs()).split('\n').filter((line) => REFUSED.test(line)).length;
}

/** Takes every connection that is left and not kept for superusers. */
async function hoard(): Promise<void> {
  for (;;) {
    const client = new pg.Client({ connectionString: rig.database.dsn(rig.database.direct) });
    client.on('error', () => undefined);
    try {
      await client.connect();
      hoarded.push(client);
    } catch (error) {
      expect((error as { code?: string }).code).toBe('53300');
      return;
    }
  }
}

async function letGo(): Promise<void> {
  await Promise.all(hoarded.splice(0).map((client) => client.end().catch(() => undefined)));
}
