/** `ffrtmp_schedule_attempts_total`: what came of claim statements. */
import { afterEach, expect, it } from 'vitest';
import { useDatabase } from '../../test/support/database.js';
import { DispatchMaster } from '../../test/support/dispatch-master.js';
import { LocalSignals } from '../../test/support/local-signals.js';
import { WatchedDatabase } from '../../test/support/watched-database.js';

const db = useDatabase();
let master: DispatchMaster;

afterEach(() => master.stop());

it('tells of those that gave jobs and of those that failed', async () => {
  const watched = new WatchedDatabase(db.database);
  master = await new DispatchMaster(watched, new LocalSignals()).start();
  const node = await master.node({ slots: 8 });
  await master.submit();
  expect(await master.claim(node)).toHaveLength(1);
  const before = await attempts();
  expect(before.success).toBeGreaterThan(0);
  expect(before.error).toBe(0);

  await master.submit();
  watched.lose('ClaimJobs');
  await master.claim(node).catch(() => undefined);
  expect(watched.lost).toEqual(['ClaimJobs']);
  expect((await attempts()).error).toBe(1);
});

async function attempts(): Promise<Record<string, number>> {
  const metric = await master.metrics.registry.getSingleMetric('ffrtmp_schedule_attempts_total')?.get();
  return Object.fromEntries((metric?.values ?? []).map(({ labels, value }) => [labels.result, value]));
}
