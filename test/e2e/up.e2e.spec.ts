import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.js';
import { type UpFolder, type UpProcess, upFolder } from './local-up.js';

let folder: UpFolder;
beforeEach(async () => void (folder = await upFolder()));
afterEach(async () => folder.remove());

const READY = /Ctrl-C stops everything/;

function up(...args: string[]): UpProcess {
  return folder.run(['up', '--port', String(folder.port), ...args], { LOGGING_LEVEL: 'debug' });
}

/** Another terminal, which is told nothing: it finds the cluster by its note. */
async function client(...args: string[]): Promise<{ status: unknown; output: string; errors: string }> {
  const process = folder.run(args);
  const status = await process.ended;
  return { status, output: process.output(), errors: process.errors() };
}

async function pidOf(part: RegExp): Promise<number> {
  return eventually(async () => {
    const line = (await folder.processes()).find((process) => part.test(process));
    if (line === undefined) throw new Error(`no process matches ${part}`);
    return Number.parseInt(line, 10);
  });
}

describe('up', () => {
  it(
    'comes up from nothing, transcodes a clip, says where to look, serves other commands, and stops cleanly',
    { tags: ['runtime'] },
    async () => {
      const cluster = up();
      await cluster.says(READY, 60_000);
      const claimed = Number(/first job claimed ([\d.]+) s/.exec(cluster.errors())?.[1]);
      console.log(`cold start to first job claimed: ${claimed} s`);
      // The promise is 5 s; machines that run tests are shared, so three times that.
      expect(claimed).toBeLessThan(15);
      expect(cluster.output()).toMatch(/welcome\.mp4 {2}h264 1280x720, 10 s/);
      expect(cluster.output()).toContain(`http://127.0.0.1:${folder.port}/docs`);
      expect(cluster.output()).toContain(join(folder.dataDir, 'logs'));
      expect((await stat(join(folder.dataDir, 'output', 'welcome.mp4'))).size).toBeGreaterThan(10_000);

      const keyFile = join(folder.dataDir, 'api-key');
      expect((await stat(keyFile)).mode & 0o777).toBe(0o600);
      const key = (await readFile(keyFile, 'utf8')).trim();
      expect(key).toMatch(/^[\w-]{43}$/);
      expect(cluster.output()).toContain(key);
      // Everybody on the machine can read command lines.
      const lines = (await folder.processes()).join('\n');
      expect(lines).not.toContain(key);
      expect(lines).not.toContain('postgresql://');

      const submitted = await client(
        'jobs',
        'submit',
        '--scenario',
        '240p-h264',
        '--duration',
        '1',
        '--watch',
      );
      expect(submitted).toMatchObject({ status: 0, errors: '' });
      expect(submitted.output).toMatch(/^job 2 (queued|assigned)/);
      const list = await client('jobs', 'list', '--output', 'json');
      expect(JSON.parse(list.output).items.map(({ status }: { status: string }) => status)).toEqual([
        'completed',
        'completed',
      ]);
      expect((await client('nodes', 'list')).output).toMatch(/worker-1 .*online/);
      expect(await client('verify')).toMatchObject({ status: 0, errors: '' });
      expect((await client('doctor')).errors).toBe('');
      expect((await client('up')).errors).toMatch(/a cluster already runs/);

      cluster.child.kill('SIGINT');
      expect(await cluster.ended).toBe(0);
      await folder.isLeft();
      expect((await client('jobs', 'list')).status).toBe(1);
    },
  );

  it('starts a master and a worker again a second after they died', async () => {
    const cluster = up('--masters', '2', '--workers', '1');
    await cluster.says(READY, 60_000);
    for (const [part, name] of [
      [/main\.js serve/, /master \d died \(SIGKILL\); it starts again/],
      [/main\.js worker/, /worker 1 died \(SIGKILL\); it starts again/],
    ] as const) {
      const before = (await folder.processes()).filter((process) => part.test(process)).length;
      const victim = await pidOf(part);
      process.kill(victim, 'SIGKILL');
      await cluster.says(name, 5000);
      await eventually(
        async () => {
          const now = (await folder.processes()).filter((line) => part.test(line));
          expect(now.some((line) => line.startsWith(`${victim} `))).toBe(false);
          expect(now).toHaveLength(before);
        },
        { within: 10_000 },
      );
    }
    const submitted = await client('jobs', 'submit', '--scenario', '240p-h264', '--duration', '1', '--watch');
    expect(submitted).toMatchObject({ status: 0, errors: '' });
    cluster.child.kill('SIGTERM');
    expect(await cluster.ended).toBe(0);
    await folder.isLeft();
  });

  it('is killed: masters and workers end, PostgreSQL stays, and the next one attaches to it', async () => {
    const first = up('--masters', '1', '--workers', '1');
    await first.says(READY, 60_000);
    const postgres = await pidOf(/bin\/postgres -D/);
    first.child.kill('SIGKILL');
    await eventually(
      async () => {
        const left = (await folder.processes()).filter((line) => line.includes('main.js'));
        expect(left).toEqual([]);
      },
      { within: 20_000 },
    );
    expect(await pidOf(/bin\/postgres -D/)).toBe(postgres);

    const second = up('--masters', '1', '--workers', '1');
    await second.says(READY, 60_000);
    expect(await pidOf(/bin\/postgres -D/)).toBe(postgres);
    const list = await client('jobs', 'list', '--output', 'json');
    expect(JSON.parse(list.output).items).toHaveLength(2);
    second.child.kill('SIGINT');
    expect(await second.ended).toBe(0);
    await folder.isLeft();
  });

  it.each([/Starting PostgreSQL/, /PostgreSQL ready/, /encoders tried/])(
    'stops cleanly also where Ctrl-C comes in the middle of its start: %s',
    async (moment) => {
      const cluster = up();
      await cluster.says(moment, 30_000);
      cluster.child.kill('SIGINT');
      expect(await cluster.ended).toBe(0);
      await folder.isLeft();
    },
  );

  it('refuses wrong settings before anything is started', async () => {
    const cluster = folder.run(['up', '--port', String(folder.port)], { RETRY_MAX_RETRIES: 'many' });
    expect(await cluster.ended).toBe(2);
    expect(cluster.errors()).toMatch(/^ffmpeg-master: wrong setting: retry\.max_retries is "many"/);
    await folder.isLeft();
  });
});
