import { beforeEach, describe, expect, it } from 'vitest';
import { eventually } from '../../test/support/eventually.js';
import { secondsFromNow, useDutyStage } from '../../test/support/duty-stage.js';
import { Settings } from '../config/settings.js';
import { QueueRates } from '../jobs/queue-rates.js';
import { TermOver } from './duty.js';
import { RequeueExpiredLeases } from './requeue-expired-leases.duty.js';
import { RequeueExpiredLeasesRepository } from './requeue-expired-leases.repository.js';

const stage = useDutyStage();
const settings = new Settings();
let duty: RequeueExpiredLeases;
let rates: QueueRates;
beforeEach(() => {
  rates = new QueueRates();
  duty = new RequeueExpiredLeases(
    new RequeueExpiredLeasesRepository(stage.statements),
    settings,
    stage.signals,
    rates,
  );
});

const job = async (id: string) =>
  (await stage.sql('SELECT * FROM ffmpeg_master.jobs WHERE id = $1', [id]))[0];
const leases = () => stage.sql('SELECT * FROM ffmpeg_master.leases');

describe('requeue expired leases', () => {
  it('puts the job of a silent worker back to its old place, at once and with the attempt counted', async () => {
    await stage.sql(`INSERT INTO ffmpeg_master.queue_counters (queue, running) VALUES ('default', 0)`);
    const node = await stage.insertNode();
    const gone = await stage.insertAttempt({
      node,
      expires: '-1 second',
      job: { position: 123, status: 'assigned' },
    });
    const alive = await stage.insertAttempt({ node, expires: '1 second' });

    expect(await duty.run(stage.term)).toBe(1);

    expect(await job(gone.job)).toMatchObject({
      status: 'queued',
      lane_id: 7,
      position: 123,
      due_at: null,
      node_id: null,
      lease_token: null,
      failures: 1,
      retry_count: 1,
      event_count: 4,
    });
    expect(await stage.events(gone.job)).toEqual(['4 lease_expired assigned>queued']);
    expect(await job(alive.job)).toMatchObject({ status: 'running', lease_token: alive.token });
    expect((await leases()).map((lease) => lease.lease_token)).toEqual([alive.token]);
    expect(await stage.sql('SELECT running FROM ffmpeg_master.node_counters')).toEqual([{ running: 1 }]);
    expect(await stage.sql('SELECT running FROM ffmpeg_master.queue_counters')).toEqual([{ running: 1 }]);
    expect(stage.signals.sent).toEqual(['lane 7×1', 'queue default×1', 'event ×1']);
  });

  it('fails a job for good whose attempts are used up (I6, F22)', async () => {
    const { job: id } = await stage.insertAttempt({
      expires: '-1 second',
      job: { failures: 3, max_retries: 3 },
    });
    await duty.run(stage.term);
    expect(await job(id)).toBeUndefined();
    const [archived] = await stage.sql('SELECT * FROM ffmpeg_master.job_history WHERE id = $1', [id]);
    expect(archived).toMatchObject({ status: 'failed', failure_reason: 'platform_error', failures: 4 });
    expect(archived?.error).toMatch(/^The worker fell silent: the-node/);
    expect(await stage.events(id)).toEqual(['4 lease_expired running>failed']);
    expect(stage.signals.sent).not.toContain('lane 7×1');
    expect(rates.lastMinute()).toEqual([
      { queue: 'default', submitted_per_minute: 0, finished_per_minute: 1 },
    ]);
  });

  it('frees the slot of a revoked lease without touching any job', async () => {
    const { job: id } = await stage.insertAttempt({ expires: '-1 second', lease: { revoked: true } });
    expect(await duty.run(stage.term)).toBe(1);
    expect(await leases()).toEqual([]);
    expect(await job(id)).toMatchObject({ status: 'running' });
    expect(await stage.events(id)).toEqual([]);
    expect(await stage.sql('SELECT running FROM ffmpeg_master.node_counters')).toEqual([{ running: 0 }]);
  });

  it('wakes nobody for a paused job', async () => {
    await stage.insertAttempt({ expires: '-1 second', job: { paused: true } });
    await duty.run(stage.term);
    expect(stage.signals.sent.filter((signal) => signal.startsWith('lane'))).toEqual([]);
  });

  it('waits for nobody who is reporting, and extends nobody', async () => {
    const { job: id } = await stage.insertAttempt({ expires: '-1 second' });
    const reporting = await stage.database.pool.connect();
    await reporting.query('BEGIN');
    await reporting.query('SELECT FROM ffmpeg_master.jobs WHERE id = $1 FOR UPDATE', [id]);
    expect(await duty.run(stage.term)).toBe(0);
    await reporting.query('ROLLBACK');
    reporting.release();
    expect(await duty.run(stage.term)).toBe(1);
  });

  it('spares a lease that is extended between the look of the statement and its lock', async () => {
    const { job: id, token } = await stage.insertAttempt({ expires: '-1 second' });
    const holding = await stage.database.pool.connect();
    await holding.query('BEGIN');
    await holding.query('SELECT FROM ffmpeg_master.leadership FOR UPDATE');
    const running = duty.run(stage.term);
    await eventually(async () =>
      expect(
        await stage.sql(
          `SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()`,
        ),
      ).toHaveLength(1),
    );
    await stage.sql('UPDATE ffmpeg_master.leases SET expires_at = $1 WHERE lease_token = $2', [
      secondsFromNow(30),
      token,
    ]);
    await holding.query('COMMIT');
    holding.release();
    expect(await running).toBe(0);
    expect(await job(id)).toMatchObject({ status: 'running', lease_token: token });
    expect(await leases()).toHaveLength(1);
  });

  it('works through more than one statement holds', async () => {
    await stage.insertAttempts(210, -1, -5);
    expect(await duty.run(stage.term)).toBe(210);
    expect(await stage.sql('SELECT running FROM ffmpeg_master.node_counters')).toEqual([{ running: 0 }]);
  });

  it('does not let one job that is being reported keep those behind it waiting', async () => {
    const node = await stage.insertNode();
    const { job: first } = await stage.insertAttempt({ node, expires: '-1 second' });
    await stage.insertAttempts(210, -1, -5);
    const reporting = await stage.database.pool.connect();
    try {
      await reporting.query('BEGIN');
      await reporting.query('SELECT FROM ffmpeg_master.jobs WHERE id = $1 FOR UPDATE', [first]);
      expect(await duty.run(stage.term)).toBe(210);
    } finally {
      await reporting.query('ROLLBACK');
      reporting.release();
    }
    expect(await duty.run(stage.term)).toBe(1);
  });

  it('sweeps nothing while no master was seen for 5 s: then workers could not be heard either', async () => {
    await stage.insertAttempt({ expires: '-1 minute' });
    await stage.sql('UPDATE ffmpeg_master.cluster_presence SET last_seen_at = $1', [secondsFromNow(-6)]);
    expect(await duty.run(stage.term)).toBe(0);
    expect(await leases()).toHaveLength(1);
  });

  it('sweeps nothing until a full lease after the end of an outage', async () => {
    await stage.insertAttempt({ expires: '-10 minutes' });
    await stage.sql('UPDATE ffmpeg_master.cluster_presence SET outage_ended_at = $1', [secondsFromNow(-28)]);
    expect(await duty.run(stage.term)).toBe(0);
    await stage.sql('UPDATE ffmpeg_master.cluster_presence SET outage_ended_at = $1', [secondsFromNow(-31)]);
    expect(await duty.run(stage.term)).toBe(1);
  });

  it('sweeps a lease of another length no sooner after an outage than that', async () => {
    await stage.insertAttempt({ expires: '-10 minutes' });
    await stage.sql('UPDATE ffmpeg_master.leases SET lease_ms = 90000');
    await stage.sql('UPDATE ffmpeg_master.cluster_presence SET outage_ended_at = $1', [secondsFromNow(-88)]);
    expect(await duty.run(stage.term)).toBe(0);
    await stage.sql('UPDATE ffmpeg_master.cluster_presence SET outage_ended_at = $1', [secondsFromNow(-91)]);
    expect(await duty.run(stage.term)).toBe(1);
  });

  it('changes nothing in a term that is over, and says so', async () => {
    const { job: id } = await stage.insertAttempt({ expires: '-1 second' });
    const past = { ...stage.term, epoch: stage.term.epoch - 1 };
    await expect(duty.run(past)).rejects.toThrow(TermOver);
    await expect(
      duty.run({ ...stage.term, master_id: '00000000-0000-4000-8000-000000000001' }),
    ).rejects.toThrow(TermOver);
    expect(await job(id)).toMatchObject({ status: 'running' });
    expect(await leases()).toHaveLength(1);
  });
});
