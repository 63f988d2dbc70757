/** A master as the old one was started: its flags, its TLS, its plain metrics port. */
import { mkdtemp, rm } from 'node:fs/promises';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Program } from '../e2e/support/program.js';
import { useDatabase } from '../support/database.js';
import { eventually } from '../support/eventually.js';
import { freePort } from '../support/free-port.js';

const MASTER = resolve(import.meta.dirname, '../../bin/master');
const KEY = 'a key for the old start';
const db = useDatabase();
let folder: string;

beforeAll(async () => void (folder = await mkdtemp(join(tmpdir(), 'old-start-'))));
afterAll(() => rm(folder, { recursive: true, force: true }));

async function start(...flags: string[]): Promise<{ program: Program; port: number; metrics: number }> {
  const [port, metrics] = [await freePort(), await freePort()];
  const program = new Program(
    [
      ...['-port', String(port), '-metrics-port', String(metrics), '-db-type', 'postgres', '-db-dsn', db.dsn],
      ...['-max-retries=5', '-scheduler-interval', '5s', '--data-dir', folder, ...flags],
    ],
    { FFMPEG_RTMP_API_KEY: KEY },
    MASTER,
  );
  return { program, port, metrics };
}

/** As its agents ask a master of this machine: whatever certificate it shows. */
const overTls = (port: number, path: string) =>
  new Promise<string>((answered, reject) => {
    request(
      {
        host: '127.0.0.1',
        port,
        path,
        rejectUnauthorized: false,
        headers: { authorization: `Bearer ${KEY}` },
      },
      (answer) => void text(answer).then(answered, reject),
    )
      .on('error', reject)
      .end();
  });
const plainly = async (port: number, path: string) =>
  (await fetch(`http://127.0.0.1:${port}${path}`, { headers: { authorization: `Bearer ${KEY}` } })).text();

const patience = { within: 60_000, every: 100 };

it('speaks TLS by default, and plainly on the metrics port', async () => {
  const { program, port, metrics } = await start();
  try {
    await eventually(async () => {
      expect(program.running, program.output).toBe(true);
      expect(JSON.parse(await overTls(port, '/nodes'))).toEqual({ count: 0, nodes: null });
    }, patience);
    expect(JSON.parse(await plainly(metrics, '/health'))).toMatchObject({ status: 'healthy' });
    expect(await plainly(metrics, '/metrics')).toContain('ffrtmp_master_uptime_seconds');
    // Health alone is answered in plain HTTP on the port of the API.
    const plain = await plainly(port, '/nodes').catch(() => '');
    expect(plain).not.toContain('nodes');
  } finally {
    expect(await program.stop()).toBe(0);
  }
});

it('speaks plainly where it was told to', async () => {
  const { program, port } = await start('-tls=false');
  try {
    await eventually(async () => {
      expect(program.running, program.output).toBe(true);
      expect(JSON.parse(await plainly(port, '/nodes'))).toEqual({ count: 0, nodes: null });
    }, patience);
    await expect(overTls(port, '/nodes')).rejects.toThrow();
  } finally {
    expect(await program.stop()).toBe(0);
  }
});
