import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { eventually } from '../support/eventually.js';
import { clockEnvironment, faketimeLibrary, type Master } from './rig/master.js';
import { describeWhere } from './rig/needs.js';
import { Rig } from './rig/rig.js';
import { timeOfLastLine } from './rig/time-of-log.js';

const AHEAD_MS = 2_000;

describeWhere('clocks that are wrong', faketimeLibrary() ? [] : ['faketime'], () => {
  let rig: Rig;
  const wrong = new Map<string, Master>();

  beforeAll(async () => {
    // No attempt may be repeated: of a lease of 3 s a starved worker lost one. A clock that is wrong by 5 minutes ends this too.
    rig = await Rig.start({ masters: 1, env: { WORKERS_LEASE_DURATION: '2m' } });
    for (const clock of ['+5m', '-5m']) wrong.set(clock, await rig.addMaster({ clock }));
  });

  // Each test by itself, since only the last one comes to peace.
  afterEach(() => rig.expectVerified());
  afterAll(() => rig.stop());

  it.each(['+5m', '-5m'])(
    'a leader whose clock is wrong by %s promotes when the database says so, and takes no lease away (F12, I2, I8)',
    async (clock) => {
      const master = wrong.get(clock) as Master;
      await makeLeader(master);
      const [seen] = await rig.query<{ off: number }>(
        // As the master's own log has it, the fault is there: its newest line against the database's clock.
        `SELECT extract(epoch FROM to_timestamp($1 / 1000.0) - clock_timestamp())::float8 AS off`,
        [timeOfLastLine(master.program)],
      );
      expect(Math.abs((seen?.off ?? 0) - (clock === '+5m' ? 300 : -300))).toBeLessThan(30);
      rig.history.fault('F12', `a leader with its clock at ${clock}`);

      if (rig.workers.length === 0) rig.addWorkers(3, { roams: true, workMs: () => 1500 });
      const [now] = await rig.query<{ now: number }>(
        'SELECT extract(epoch FROM clock_timestamp())::float8 * 1000 AS now',
      );
      const run_at = new Date((now?.now ?? 0) + AHEAD_MS).toISOString();
      const jobs = await rig.submit(10, (k) => ({ scenario: `later ${k}`, run_at }));
      await rig.submit(6);
      await eventually(
        async () => {
          const rows = await rig.query('SELECT 1 FROM ffmpeg_master.job_history WHERE id = ANY($1)', [jobs]);
          expect(rows).toHaveLength(10);
        },
        { within: 30_000 },
      );
      const again = await rig.query('SELECT id FROM ffmpeg_master.job_history WHERE attempt > 1');
      expect(again).toEqual([]);
    },
  );

  it('a worker whose clock is wrong works, and all that is done is right (F12, I1, I2)', async () => {
    const ahead = await rig.addRealWorker('clock-ahead', ['--slots', '1'], clockEnvironment('+5m'));
    const behind = await rig.addRealWorker('clock-behind', ['--slots', '1'], clockEnvironment('-5m'));
    const names = ['clock-ahead', 'clock-behind'];
    await eventually(
      async () => {
        const nodes = await rig.query<{ name: string }>(
          'SELECT name FROM ffmpeg_master.nodes WHERE name = ANY($1)',
          [names],
        );
        expect(nodes).toHaveLength(2);
      },
      { within: 20_000 },
    );
    // As their own logs have it, the fault is there.
    await eventually(() => {
      expect(Math.abs(timeOfLastLine(ahead) - Date.now() - 300_000)).toBeLessThan(30_000);
      expect(Math.abs(timeOfLastLine(behind) - Date.now() + 300_000)).toBeLessThan(30_000);
    });
    rig.history.fault('F12', 'workers with their clocks at +5m and -5m');
    // The known workers stand aside, so that both have to work.
    await Promise.all(rig.workers.map((worker) => worker.stop()));
    const media = (k: number) => ({
      scenario: '240p-h264',
      parameters: { duration: 1, preset: 'ultrafast', output: `clock-${k}.mp4` },
    });
    const jobs = await rig.submit(6, media);
    const ended = await eventually(
      async () => {
        const sql = 'SELECT status, node_name FROM ffmpeg_master.job_history WHERE id = ANY($1)';
        const rows = await rig.query<{ status: string; node_name: string }>(sql, [jobs]);
        expect(rows, rig.programs.map(({ output }) => output.slice(-1500)).join('\n')).toHaveLength(6);
        return rows;
      },
      { within: 90_000, every: 200 },
    );
    for (const { status } of ended) expect(status).toBe('completed');
    expect([...new Set(ended.map(({ node_name }) => node_name))].sort()).toEqual(names);
    await rig.peace();
  });

  async function makeLeader(wanted: Master): Promise<void> {
    await eventually(
      async () => {
        const leader = await rig.leader();
        if (leader === wanted) return;
        await rig.recorder.post({ name: 'rig', url: () => leader.url }, '/cluster/resign', {});
        throw new Error('another one leads');
      },
      { within: 30_000, every: 200 },
    );
  }
});
