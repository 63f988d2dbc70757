/**
 * `ffmpeg-master import` of a `master.db` with a million completed jobs, each with a log, a transition and parameters: how
 * long it takes with the comparison at its end, and how much memory its process has at most. The server is on these cores too.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Program, run } from '../../../test/e2e/support/program.js';
import { oldSqlite } from '../../../test/ffrtmp/old-database.js';
import { KEY } from '../rig/masters.js';
import type { Bench, Suite } from '../suite.js';

const JOBS = 1_000_000;
const QUICK_JOBS = 100_000;

/** Three minutes and 300 MB for a million. */
const SECONDS_BOUND = 180;
const MEGABYTES_BOUND = 300;

export const importing: Suite = {
  name: 'import',
  about: 'a million jobs of ffmpeg-rtmp from SQLite, compared at the end',
  async run(bench) {
    const folder = mkdtempSync(join(tmpdir(), 'bench-import-'));
    bench.atEnd(async () => rmSync(folder, { recursive: true, force: true }));
    const jobs = bench.quick ? QUICK_JOBS : JOBS;
    const old = oldSqlite(join(folder, 'master.db'));
    old.fill(jobs);
    await old.close();
    const postgres = await bench.postgres();
    for (let round = 0; round < bench.rounds; round += 1) {
      const dsn = await postgres.database();
      await importOnce(bench, dsn, folder, jobs);
      await postgres.drop(dsn);
    }
    bench.atMost('seconds_a_million', bench.median('seconds') * (JOBS / jobs), SECONDS_BOUND);
    bench.atMost('megabytes', bench.median('peak_memory'), MEGABYTES_BOUND);
  },
};

async function importOnce(bench: Bench, dsn: string, folder: string, jobs: number): Promise<void> {
  const env = { DATABASE_DSN: dsn, MASTER_API_KEY: KEY, TMPDIR: folder };
  const migrated = await run(['migrate', 'up'], env);
  if (migrated.status !== 0) throw new Error(`the schema could not be made:\n${migrated.output}`);
  const began = performance.now();
  const program = new Program(
    ['import', '--from', `sqlite:${join(folder, 'master.db')}`, '--report', join(folder, 'report.jsonl')],
    env,
  );
  bench.atEnd(async () => void (await program.stop('SIGKILL')));
  let peak = 0;
  const sampling = setInterval(() => (peak = Math.max(peak, peakMemory(program.pid))), 100);
  const status = await program.exit();
  clearInterval(sampling);
  const seconds = (performance.now() - began) / 1000;
  if (status !== 0 || !program.output.includes(`${jobs} read, ${jobs} imported`))
    throw new Error(`the import ended with ${status}:\n${program.output}`);
  bench.add('seconds', 's', seconds);
  bench.add('jobs_per_second', 'jobs/s', jobs / seconds);
  bench.add('peak_memory', 'MB', peak);
}

/** The most that it had in memory so far, in MB of a million bytes; 0 once it is gone. */
function peakMemory(pid: number): number {
  try {
    const found = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'));
    return (Number(found?.[1] ?? 0) * 1024) / 1_000_000;
  } catch {
    return 0;
  }
}
