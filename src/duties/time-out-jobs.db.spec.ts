import { beforeEach, describe, expect, it } from 'vitest';
import { secondsFromNow, useDutyStage } from '../../test/support/duty-stage.js';
import { Settings } from '../config/settings.js';
import { QueueRates } from '../jobs/queue-rates.js';
import { TransitionsRepository } from '../jobs/transitions.repository.js';
import { TimeOutJobs } from './time-out-jobs.duty.js';
import { TimeOutJobsRepository } from './time-out-jobs.repository.js';

const stage = useDutyStage();
const settings = new Settings();
let duty: TimeOutJobs;
let rates: QueueRates;
beforeEach(() => {
  rates = new QueueRates();
  duty = new TimeOutJobs(new TimeOutJobsRepository(stage.statements), settings, stage.signals, rates);
});

const job = async (id: string) =>
  (await stage.sql('SELECT * FROM ffmpeg_master.jobs WHERE id = $1', [id]))[0];

describe('time out jobs', () => {
  it('makes a job retry later, and leaves the lease revoked for its worker to hear of', async () => {
    const { job: id, token } = await stage.insertAttempt({
      lease: { clock_from: secondsFromNow(-20), timeout_seconds: 10 },
    });
    expect(await duty.run(stage.term)).toBe(1);
    const row = await job(id);
    expect(row).toMatchObject({
      status: 'retrying',
      failures: 1,
      retry_count: 1,
      node_id: null,
      failure_reason: 'timeout',
    });
    const delay = ((row?.due_at as Date).getTime() - Date.now()) / 1_000;
    expect(delay).toBeGreaterThan(3);
    expect(delay).toBeLessThan(6.5);
    expect(await stage.events(id)).toEqual([
      '4 timed_out running>timed_out',
      '5 retrying timed_out>retrying',
    ]);
    expect(await stage.sql('SELECT lease_token, revoked FROM ffmpeg_master.leases')).toEqual([
      { lease_token: token, revoked: true },
    ]);
    expect(await stage.sql('SELECT running FROM ffmpeg_master.node_counters')).toEqual([{ running: 1 }]);
    expect(stage.signals.sent.some((signal) => signal.startsWith('due '))).toBe(true);
    expect(await duty.run(stage.term)).toBe(0);
  });

  it('fails a job whose attempts are used up', async () => {
    const { job: id } = await stage.insertAttempt({
      job: { failures: 3, max_retries: 3 },
      lease: { clock_from: secondsFromNow(-20), timeout_seconds: 10 },
    });
    await duty.run(stage.term);
    expect(
      await stage.sql('SELECT status, failure_reason FROM ffmpeg_master.job_history WHERE id = $1', [id]),
    ).toEqual([{ status: 'failed', failure_reason: 'timeout' }]);
    expect(await stage.events(id)).toEqual(['4 timed_out running>timed_out', '5 failed timed_out>failed']);
    expect(rates.lastMinute()).toEqual([
      { queue: 'default', submitted_per_minute: 0, finished_per_minute: 1 },
    ]);
  });

  const minutes = (count: number) => secondsFromNow(-60 * count);
  it.each([
    ['assigned 20 s ago', false, { clock_from: null, assigned_at: secondsFromNow(-20) }],
    ['assigned 31 s ago and not started', true, { clock_from: null, assigned_at: secondsFromNow(-31) }],
    ['started after 31 s', false, { assigned_at: secondsFromNow(-31) }],
    ['10 minutes of media after 9 minutes', false, { media_seconds: 600, clock_from: minutes(9) }],
    [
      '10 minutes of media after 11 minutes (limit 5 + 10 × 0.5)',
      true,
      { media_seconds: 600, clock_from: minutes(11) },
    ],
    [
      'its own limit over that of its media',
      true,
      { media_seconds: 6_000, timeout_seconds: 60, clock_from: minutes(2) },
    ],
    [
      'its own limit under that of its media',
      false,
      { media_seconds: 1, timeout_seconds: 3_600, clock_from: minutes(30) },
    ],
    ['unknown length, long, in progress', false, { clock_from: minutes(600), progressed_at: minutes(4) }],
    [
      'unknown length, no progress for 6 minutes',
      true,
      { clock_from: minutes(600), progressed_at: minutes(6) },
    ],
    ['unknown length, never any progress', true, { clock_from: minutes(6) }],
    ['paused', false, { clock_from: minutes(600), timeout_seconds: 10, paused_at: minutes(599) }],
    ['ended already', false, { clock_from: minutes(600), timeout_seconds: 10, revoked: true }],
  ])('%s: timed out %s', async (_, late, lease) => {
    const { job: id } = await stage.insertAttempt({
      job: { status: 'clock_from' in lease && lease.clock_from === null ? 'assigned' : 'running' },
      lease,
    });
    expect(await duty.run(stage.term)).toBe(late ? 1 : 0);
    expect((await job(id))?.status === 'retrying').toBe(late);
  });

  it('does not let one job that is being reported keep those behind it waiting', async () => {
    const node = await stage.insertNode();
    const late = { node, lease: { clock_from: secondsFromNow(-20), timeout_seconds: 10 } };
    const { job: first } = await stage.insertAttempt(late);
    await stage.insertAttempts(210, 30, -20);
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

  it('gives an attempt that was paused before its start its time back', async () => {
    const { job: id } = await stage.insertAttempt({
      job: { status: 'assigned', paused: true },
      lease: { clock_from: null, assigned_at: minutes(11), paused_at: secondsFromNow(-655) },
    });
    expect(await duty.run(stage.term)).toBe(0);
    await new TransitionsRepository(stage.pool).resume(id, 'default', 'test');
    expect(await duty.run(stage.term)).toBe(0);
    await stage.sql(`UPDATE ffmpeg_master.leases SET assigned_at = assigned_at - interval '26 seconds'`);
    expect(await duty.run(stage.term)).toBe(1);
  });

  it('waits for a full lease after an outage: workers could tell of no start and no progress', async () => {
    await stage.insertAttempt({
      job: { status: 'assigned' },
      lease: { clock_from: null, assigned_at: minutes(10) },
    });
    await stage.sql('UPDATE ffmpeg_master.cluster_presence SET outage_ended_at = $1', [secondsFromNow(-20)]);
    expect(await duty.run(stage.term)).toBe(0);
    await stage.sql('UPDATE ffmpeg_master.cluster_presence SET outage_ended_at = NULL');
    expect(await duty.run(stage.term)).toBe(1);
  });
});
