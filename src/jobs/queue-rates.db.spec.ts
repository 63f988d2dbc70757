import { randomUUID } from 'node:crypto';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { useDatabase } from '../../test/support/database.js';
import { DispatchMaster, PRINCIPAL } from '../../test/support/dispatch-master.js';
import { LocalSignals } from '../../test/support/local-signals.js';
import { Settings } from '../config/settings.js';
import { MasterIdentity } from '../leadership/master-identity.js';
import { QueueRates } from './queue-rates.js';
import { QueueRatesRepository } from './queue-rates.repository.js';
import { QueueRatesService } from './queue-rates.service.js';

const db = useDatabase();
let master: DispatchMaster;
let repository: QueueRatesRepository;

beforeEach(async () => {
  await db.pool.query('TRUNCATE ffmpeg_master.queue_rates, ffmpeg_master.jobs, ffmpeg_master.leases');
  repository = new QueueRatesRepository(db.database);
  master = await new DispatchMaster(db.database, new LocalSignals()).start();
});

afterEach(() => master.stop());

async function shown(queue = 'default') {
  const found = (await master.queues.list(PRINCIPAL)).find(({ name }) => name === queue);
  return [found?.submitted_per_minute, found?.finished_per_minute];
}

const writes = async () =>
  (await db.pool.query<{ queue: string; xmin: string }>('SELECT queue, xmin FROM ffmpeg_master.queue_rates'))
    .rows;

describe('the rates that GET /queues shows', () => {
  it('count submits, and what ended for good: by report, by cancel, and no retry', async () => {
    const node = await master.node({ slots: 50 });
    for (let k = 0; k < 4; k += 1) await master.submit({ max_retries: k === 2 ? 1 : 0 });
    await master.report(node, await master.claimOne(node), { status: 'completed' });
    await master.report(node, await master.claimOne(node), { status: 'failed' });
    await master.report(node, await master.claimOne(node), { status: 'failed' });
    const released = await master.claimOne(node);
    await master.report(node, released, { status: 'released' });
    expect(master.rates.lastMinute()).toEqual([
      { queue: 'default', submitted_per_minute: 4, finished_per_minute: 2 },
    ]);
    await master.jobs.cancel(PRINCIPAL, released.id);
    await master.jobs.cancel(PRINCIPAL, released.id);
    expect(master.rates.lastMinute()[0]?.finished_per_minute).toBe(3);
  });

  it('count a repeated submit once', async () => {
    const options = { route: 'POST /jobs', idempotency_key: randomUUID() };
    for (let k = 0; k < 3; k += 1) await master.submits.submit(PRINCIPAL, [{ scenario: 'test' }], options);
    expect(master.rates.lastMinute()[0]?.submitted_per_minute).toBe(1);
  });

  it('are the sum over masters, without those that were not heard of for 15 s', async () => {
    const [first, second] = [randomUUID(), randomUUID()];
    await repository.write(first, [{ queue: 'default', submitted_per_minute: 10, finished_per_minute: 1 }]);
    await repository.write(second, [
      { queue: 'default', submitted_per_minute: 5, finished_per_minute: 2 },
      { queue: 'live', submitted_per_minute: 7, finished_per_minute: 0 },
    ]);
    expect(await shown()).toEqual([15, 3]);
    expect(await shown('live')).toEqual([7, 0]);
    expect(await shown('batch')).toEqual([0, 0]);
    await repository.write(second, [{ queue: 'default', submitted_per_minute: 6, finished_per_minute: 2 }]);
    expect(await shown()).toEqual([16, 3]);
    expect(await shown('live')).toEqual([0, 0]);
    await db.pool.query(
      `UPDATE ffmpeg_master.queue_rates SET written_at = now() - interval '16 s' WHERE master_id = $1`,
      [first],
    );
    expect(await shown()).toEqual([6, 2]);
  });

  it('are written where they changed, and taken away by a master that goes', async () => {
    let now = 0;
    const rates = QueueRates.by(() => now);
    const service = new QueueRatesService(
      rates,
      repository,
      new MasterIdentity(new Settings()),
      pino({ level: 'silent' }),
    );
    await service.write();
    expect(await writes()).toEqual([]);
    rates.submitted('default');
    await service.write();
    const written = await writes();
    expect(written).toMatchObject([{ queue: 'default' }]);
    await service.write();
    expect(await writes()).toEqual(written);
    rates.submitted('default');
    await service.write();
    expect(await shown()).toEqual([2, 0]);
    now += 61;
    await service.write();
    expect(await writes()).toEqual([]);
    rates.finished('default');
    await service.write();
    expect(await writes()).toHaveLength(1);
    await service.beforeApplicationShutdown();
    expect(await writes()).toEqual([]);
  });
});
