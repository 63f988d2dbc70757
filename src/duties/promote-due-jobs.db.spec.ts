import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { eventually } from '../../test/support/eventually.js';
import { secondsFromNow, useDutyStage } from '../../test/support/duty-stage.js';
import { PromoteDueJobs } from './promote-due-jobs.duty.js';
import { PromoteDueJobsRepository } from './promote-due-jobs.repository.js';

const stage = useDutyStage();
let duty: PromoteDueJobs;
let undo: () => void = () => undefined;
beforeEach(() => {
  duty = new PromoteDueJobs(new PromoteDueJobsRepository(stage.statements), stage.signals);
});
afterEach(() => undo());

const job = async (id: string) =>
  (await stage.sql('SELECT * FROM ffmpeg_master.jobs WHERE id = $1', [id]))[0];

describe('promote due jobs', () => {
  it('makes retries and scheduled jobs claimable, and no others', async () => {
    const retry = await stage.insertJob({ status: 'retrying', due_at: secondsFromNow(-1), event_count: 5 });
    const scheduled = await stage.insertJob({ status: 'queued', due_at: secondsFromNow(-1), event_count: 1 });
    const paused = await stage.insertJob({ status: 'retrying', due_at: secondsFromNow(-1), paused: true });
    const later = await stage.insertJob({ status: 'retrying', due_at: secondsFromNow(60) });
    expect(await duty.run(stage.term)).toBe(3);
    expect(await job(retry)).toMatchObject({ status: 'queued', due_at: null, event_count: 6 });
    expect(await stage.events(retry)).toEqual(['6 promoted retrying>queued']);
    expect(await stage.events(scheduled)).toEqual(['2 promoted queued>queued']);
    expect(await job(paused)).toMatchObject({ status: 'queued', due_at: null, paused: true });
    expect(await job(later)).toMatchObject({ status: 'retrying', event_count: 0 });
    expect(stage.signals.sent).toEqual(['lane 7×2', 'event ×1']);
    expect(await duty.run(stage.term)).toBe(0);
  });

  it('promotes more than one statement holds, each once (I8)', async () => {
    await stage.sql(
      `INSERT INTO ffmpeg_master.jobs (id, scenario, parameters, queue, priority, requirements, engine, status, lane_id,
                                       position, max_retries, due_at)
       SELECT gen_random_uuid(), 's', '{}', 'default', 'medium', '{}', 'auto', 'queued', n % 3, n, 3, now()
       FROM generate_series(1, 1500) n`,
    );
    expect(await duty.run(stage.term)).toBe(1_500);
    const [row] = await stage.sql<{ events: number }>(
      'SELECT count(*)::int AS events FROM ffmpeg_master.job_events',
    );
    expect(row?.events).toBe(1_500);
  });

  it('goes past a job that somebody holds', async () => {
    const held = await stage.insertJob({ status: 'retrying', due_at: secondsFromNow(-100) });
    await stage.sql(
      `INSERT INTO ffmpeg_master.jobs (id, scenario, parameters, queue, priority, requirements, engine, status, lane_id,
                                       position, max_retries, due_at)
       SELECT gen_random_uuid(), 's', '{}', 'default', 'medium', '{}', 'auto', 'queued', 1, n, 3, now()
       FROM generate_series(1, 1010) n`,
    );
    const holding = await stage.database.pool.connect();
    try {
      await holding.query('BEGIN');
      await holding.query('SELECT FROM ffmpeg_master.jobs WHERE id = $1 FOR UPDATE', [held]);
      expect(await duty.run(stage.term)).toBe(1_010);
    } finally {
      await holding.query('ROLLBACK');
      holding.release();
    }
    expect(await duty.run(stage.term)).toBe(1);
  });

  /** Runs the duty as its runner does, and answers the moments at which the timer asked for a run. */
  function onStage() {
    const runs: number[] = [];
    undo = duty.onTerm(() => {
      runs.push(Date.now());
      void duty.run(stage.term);
    });
    return runs;
  }

  it('stands ready at the next due time', async () => {
    const due = secondsFromNow(0.4);
    const id = await stage.insertJob({ status: 'retrying', due_at: due });
    const runs = onStage();
    expect(await duty.run(stage.term)).toBe(0);
    await eventually(async () => expect(await job(id)).toMatchObject({ status: 'queued' }));
    const late = (runs[0] ?? 0) - due.getTime();
    process.stdout.write(`promoted ${late} ms after its time\n`);
    expect(late).toBeGreaterThanOrEqual(-20);
    expect(late).toBeLessThan(500);
  });

  it('goes by the database, on a machine whose clock is five minutes off (I8, F12)', async () => {
    const due = secondsFromNow(0.3);
    const id = await stage.insertJob({ status: 'retrying', due_at: due });
    const realNow = Date.now.bind(Date);
    const clock = vi.spyOn(Date, 'now').mockImplementation(() => realNow() - 300_000);
    try {
      onStage();
      await duty.run(stage.term);
      await eventually(async () => expect(await job(id)).toMatchObject({ status: 'queued' }), {
        within: 1_500,
      });
    } finally {
      clock.mockRestore();
    }
  });

  it('is told of an earlier time by a signal', async () => {
    onStage();
    await duty.run(stage.term);
    const due = secondsFromNow(0.2);
    const id = await stage.insertJob({ status: 'retrying', due_at: due });
    stage.signals.send('due', String(due.getTime()));
    await eventually(async () => expect(await job(id)).toMatchObject({ status: 'queued' }));
  });

  it('is within 1 s of the time although the signal was lost', async () => {
    onStage();
    const looks = setInterval(() => void duty.run(stage.term).catch(() => undefined), duty.every);
    const late: number[] = [];
    try {
      for (let round = 0; round < 3; round += 1) {
        // The worst moment: a look has just passed, and nobody says that there is something to come.
        await duty.run(stage.term);
        const due = secondsFromNow(0.01);
        const id = await stage.insertJob({ status: 'queued', due_at: due });
        await eventually(async () => expect(await stage.events(id)).toHaveLength(1));
        const [event] = await stage.sql<{ at: Date }>(
          'SELECT at FROM ffmpeg_master.job_events WHERE job_id = $1',
          [id],
        );
        late.push((event?.at.getTime() ?? NaN) - due.getTime());
      }
    } finally {
      clearInterval(looks);
    }
    process.stdout.write(`without a signal promoted ${late.join(', ')} ms after their time\n`);
    expect(Math.max(...late)).toBeGreaterThan(100);
    expect(Math.max(...late)).toBeLessThanOrEqual(1_000);
    // What is left of the second is for the statement and a busy machine.
    expect(duty.every).toBeLessThanOrEqual(800);
  });

  it('asks for nothing after the term', async () => {
    const runs = onStage();
    await stage.insertJob({ status: 'retrying', due_at: secondsFromNow(0.05) });
    await duty.run(stage.term);
    undo();
    const end = performance.now() + 200;
    await eventually(() => expect(performance.now()).toBeGreaterThan(end));
    expect(runs).toEqual([]);
  });
});
