/** More work than the database takes, on a whole master over HTTP: refused at once, with a time to come again. */
import { randomUUID } from 'node:crypto';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { useDatabase } from '../../test/support/database.js';
import { eventually } from '../../test/support/eventually.js';
import { Settings } from '../config/settings.js';
import { ReportRepository } from '../dispatch/report.repository.js';
import { startMaster, type RunningMaster } from './start-master.js';

const KEY = 'a key for workers in a hurry';
const db = useDatabase();
let master: RunningMaster;

beforeAll(async () => {
  const settings = Object.assign(new Settings(), { master_api_key: KEY });
  Object.assign(settings.api, { host: '127.0.0.1', port: 0 });
  settings.metrics.port = 0;
  Object.assign(settings.database, {
    type: 'postgres',
    dsn: db.poolDsn,
    direct_dsn: db.dsn,
    migrate_dsn: db.dsn,
  });
  master = await startMaster(settings, pino({ level: 'silent' }));
});

afterAll(() => master.stop());

describe('while the database stands still', () => {
  it('10,000 reports wait; more are told 503 and when to come again, and all others are answered', async () => {
    const node = await register();
    const report = (count: number) =>
      post(`/api/v1/nodes/${node}/report`, {
        results: Array.from({ length: count }, () => ({
          job_id: randomUUID(),
          lease_token: 1,
          status: 'completed',
        })),
      });
    let goOn = () => {};
    const standstill = new Promise<void>((resolve) => (goOn = resolve));
    const inner = ReportRepository.prototype.report;
    const sent = vi.spyOn(ReportRepository.prototype, 'report').mockImplementation(async function (
      this: ReportRepository,
      ...args
    ) {
      await standstill;
      return inner.apply(this, args);
    });
    const answers: Promise<Response>[] = [];
    try {
      answers.push(report(1));
      await eventually(() => expect(sent).toHaveBeenCalledTimes(1));
      answers.push(...Array.from({ length: 10 }, () => report(1000)));
      await eventually(async () => expect(await queuedReports()).toBe(10_000), { within: 20_000 });
      const refused = await report(1);
      expect(refused.status).toBe(503);
      expect(refused.headers.get('retry-after')).toBe('1');
      expect(await refused.json()).toMatchObject({
        status: 503,
        type: expect.stringContaining('overloaded'),
      });
    } finally {
      goOn();
      sent.mockRestore();
    }
    for (const answer of await Promise.all(answers)) expect(answer.status).toBe(200);
    expect((await report(1)).status).toBe(200);
  });
});

async function queuedReports(): Promise<number> {
  const text = await (await fetch(`${master.metricsUrl}/metrics`)).text();
  return Number(/^db_group_queued\{group="reports"\} (\d+)$/m.exec(text)?.[1]);
}

function post(path: string, body: unknown): Promise<Response> {
  return fetch(`${master.url}${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
}

async function register(): Promise<string> {
  const answer = await post('/api/v1/nodes', {
    name: 'hurried',
    instance_id: randomUUID(),
    slots: 2,
    cpu_threads: 4,
    cpu_model: 'test',
    ram_total_bytes: 1,
    gpus: [],
    encoders: ['libx264'],
    engines: ['ffmpeg'],
    ffmpeg_version: '7',
    labels: {},
  });
  return ((await answer.json()) as { id: string }).id;
}
