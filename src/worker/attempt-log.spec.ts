import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { eventually } from '../../test/support/eventually.js';
import { ScriptedMaster } from '../../test/support/scripted-master.js';
import { AttemptLog } from './attempt-log.js';
import { MasterClient } from './master-client.js';

let master: ScriptedMaster;
let client: MasterClient;
const jobId = randomUUID();

beforeEach(async () => {
  master = await ScriptedMaster.start();
  client = new MasterClient([master.url], undefined);
});

afterEach(async () => {
  await client.close();
  await master.close();
});

describe('AttemptLog', () => {
  it('brings the whole text in order, in chunks, with the secret struck out', async () => {
    const log = new AttemptLog(client, { jobId, leaseToken: 1 }, 'key-1');
    const text = 'to rtmp://h/live/key-1 at 10%\r'.repeat(4_000);
    // As a pipe may cut it: in the middle of the secret.
    for (let at = 0; at < text.length; at += 1_001) log.write(text.slice(at, at + 1_001));
    await log.close(5_000);
    expect(master.logs.get(jobId)).toBe(text.replaceAll('key-1', '***').replaceAll('\r', '\n'));
    expect(master.of('logs').length).toBeGreaterThan(1);
    expect(log.lastLines.at(-1)).toBe('to rtmp://h/live/*** at 10%');
  });

  it('resumes where the master is after a lost answer', async () => {
    master.mischief = () => (master.of('logs').length === 1 ? 'cut' : undefined);
    const log = new AttemptLog(client, { jobId, leaseToken: 1 });
    log.write('one\n');
    await eventually(() => expect(master.of('logs')).toHaveLength(1));
    log.write('two\n');
    await log.close(5_000);
    expect(master.logs.get(jobId)).toBe('one\ntwo\n');
  });

  it('is bounded, and says what it left out', async () => {
    const log = new AttemptLog(client, { jobId, leaseToken: 1 });
    for (let line = 0; line < 10; line++) log.write('x'.repeat(50_000));
    await log.close(5_000);
    const text = master.logs.get(jobId) ?? '';
    expect(text.length).toBeLessThan(300_000);
    expect(text).toMatch(/\[\d+ characters of log left out\]/);
  });

  it('holds nobody up where no master answers', async () => {
    master.mischief = () => 'hang';
    const log = new AttemptLog(client, { jobId, leaseToken: 1 });
    log.write('one\n');
    const started = performance.now();
    await log.close(100);
    expect(performance.now() - started).toBeLessThan(2_000);
  });
});
