/** What the heartbeats of a thousand busy machines cost, on three masters. */
import { INTERVAL } from '../load/heartbeats.js';
import { cpuOf, cpuOfTree } from '../rig/cpu.js';
import { KEY, Masters } from '../rig/masters.js';
import { queryOnce } from '../rig/postgres.js';
import type { Suite } from '../suite.js';

const NODES = 1_000;
const SLOTS = 10;

/** Each node has said that its attempts began, and twice that they go on. */
const WARM_UP = 2.5 * INTERVAL;

/** Milliseconds. */
const STEP = 10_000;

export const fleet: Suite = {
  name: 'fleet',
  about: `${NODES} nodes with ${NODES * SLOTS} running attempts, heartbeats with progress every 10 s`,
  async run(bench) {
    const postgres = await bench.postgres();
    const load = bench.load();
    const dsn = await postgres.database();
    const masters = await Masters.start(3, dsn);
    bench.atEnd(() => masters.stop());
    await load.call('fill', { urls: masters.urls, key: KEY, jobs: NODES * SLOTS });
    const attempts = await load.call('startFleet', {
      urls: masters.urls,
      key: KEY,
      workers: NODES,
      slots: SLOTS,
    });
    if (attempts !== NODES * SLOTS) throw new Error(`${attempts} attempts run`);
    await sleep(WARM_UP);
    await load.call('beaten', undefined);
    await postgres.resetStatements();

    const names = [...masters.pids.map((_, k) => `master_${k + 1}`), 'database', 'load'];
    const cpu = () => [...masters.pids.map(cpuOf), cpuOfTree(postgres.pid), cpuOf(load.pid)];
    const updatesBefore = await updates(dsn);
    const began = { at: performance.now(), cpu: cpu() };
    let before = began;
    const steps = bench.quick ? 3 : 6;
    let heartbeats = 0;
    for (let step = 0; step < steps; step += 1) {
      await sleep(STEP);
      const after = { at: performance.now(), cpu: cpu() };
      const cores = coresOf(before, after);
      cores.forEach((used, k) => bench.add(`cores.${names[k]}`, 'cores', used));
      bench.add('cores', 'cores', sumOfMeasured(cores));
      before = after;
      const beaten = await load.call('beaten', undefined);
      heartbeats += beaten.heartbeats;
      bench.add('heartbeats_per_second', '1/s', beaten.heartbeats / (STEP / 1000));
      bench.add('attempts_per_second', '1/s', beaten.attempts / (STEP / 1000));
      bench.add('heartbeat_p50', 'ms', beaten.p50_ms);
      bench.add('heartbeat_p99', 'ms', beaten.p99_ms);
    }
    const due = (NODES * steps * STEP) / INTERVAL;
    if (heartbeats < 0.95 * due) throw new Error(`${heartbeats} of ${due} heartbeats were sent and answered`);
    const extend = await postgres.statements('UPDATE ffmpeg_master\\.leases');
    const touch = await postgres.statements('UPDATE ffmpeg_master\\.node_presence');
    const all = await postgres.statements('.');
    bench.add('statements.extend_leases', '', extend.calls);
    bench.add('statements.touch_nodes', '', touch.calls);
    bench.add('statements.all', '', all.calls);
    bench.add('statements.extend_leases_mean', 'ms', extend.mean_ms);
    bench.add('statements.touch_nodes_mean', 'ms', touch.mean_ms);
    const updatesAfter = await updates(dsn);
    for (const [table, { all: rows, hot }] of Object.entries(updatesAfter)) {
      const earlier = updatesBefore[table];
      const share = (hot - (earlier?.hot ?? 0)) / (rows - (earlier?.all ?? 0));
      bench.add(`hot_updates.${table}`, 'share', share);
      if (!(share > 0.99))
        throw new Error(`${Math.round(share * 100)} % of the updates of ${table} were in place`);
    }
    bench.atMost('cores', sumOfMeasured(coresOf(began, before)), 0.25);
    await load.call('stopFleet', undefined);
  },
};

interface Reading {
  readonly at: number;
  readonly cpu: readonly number[];
}

function coresOf(from: Reading, to: Reading): number[] {
  const seconds = (to.at - from.at) / 1000;
  return to.cpu.map((used, k) => (used - (from.cpu[k] ?? 0)) / seconds);
}

/** Without the load, which stands last. */
function sumOfMeasured(cores: readonly number[]): number {
  return cores.slice(0, -1).reduce((sum, used) => sum + used, 0);
}

/** Rows changed so far in the tables of a heartbeat, and how many of them touched no index. */
async function updates(dsn: string): Promise<Record<string, { all: number; hot: number }>> {
  const rows = await queryOnce<{ table: string; all: number; hot: number }>(
    dsn,
    `SELECT relname AS table, n_tup_upd::float8 AS all, n_tup_hot_upd::float8 AS hot
     FROM pg_stat_user_tables WHERE schemaname = 'ffmpeg_master' AND relname IN ('leases', 'node_presence')`,
  );
  return Object.fromEntries(rows.map(({ table, all, hot }) => [table, { all, hot }]));
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
