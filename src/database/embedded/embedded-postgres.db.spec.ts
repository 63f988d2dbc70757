import { transformFile } from '@swc/core';
import { spawn } from 'node:child_process';
import { chmod, cp, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, it } from 'vitest';
import { eventually } from '../../../test/support/eventually.js';
import { postgresBinaries } from '../../../test/support/test-postgres.js';
import { startEmbeddedPostgres, stopEmbeddedPostgres, type EmbeddedPostgres } from './embedded-postgres.js';

const major = inject('postgres').major as 15 | 18;
const port = 29_000;

describe('the embedded PostgreSQL', () => {
  let compiled: string;
  /** A server that was made once, for the tests that are not about the making: that takes a second. */
  let made: string;
  let home: string;
  let binaries: string;

  beforeAll(async () => {
    compiled = await compile();
    made = await passableFolder();
    await startEmbeddedPostgres({ directory: made, binaries: await postgresBinaries(major), port });
    await stopEmbeddedPostgres(made);
  });

  afterAll(async () => {
    await rm(compiled, { recursive: true, force: true });
    await rm(made, { recursive: true, force: true });
  });

  beforeEach(async () => {
    binaries = await postgresBinaries(major);
    home = await passableFolder();
  });

  afterEach(async () => {
    await stopEmbeddedPostgres(home);
    if (home !== made) await rm(home, { recursive: true, force: true });
  });

  async function useMade(): Promise<void> {
    await rm(home, { recursive: true });
    home = made;
  }

  const start = (more: object = {}) => startEmbeddedPostgres({ directory: home, binaries, port, ...more });

  it('starts, answers its owner by password and stops', async () => {
    const server = await start();
    expect(server.outcome).toBe('started');
    expect(await ask(server.dsn, 'SELECT current_user || current_database() AS answer')).toBe(
      'ffmpeg_masterffmpeg_master',
    );
    expect(await ask(server.dsn, 'SELECT rolsuper FROM pg_roles WHERE rolname = current_user')).toBe(false);
    expect(await ask(server.dsn, `SHOW fsync`)).toBe('on');
    await expect(ask(server.dsn.replace(/:[^:@]+@/, ':wrong@'), 'SELECT 1')).rejects.toMatchObject({
      code: '28P01',
    });
    await server.stop();
    await expect(ask(server.dsn, 'SELECT 1')).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  });

  it('listens on loopback alone and keeps its passwords from others', async () => {
    await useMade();
    const server = await start();
    expect(await ask(server.adminDsn, 'SHOW listen_addresses')).toBe('127.0.0.1');
    expect(await ask(server.adminDsn, 'SHOW unix_socket_directories')).toBe('');
    for (const file of ['password', 'superuser-password']) {
      expect((await stat(join(home, 'postgresql', file))).mode & 0o777).toBe(0o600);
    }
    const rules = await ask(server.adminDsn, `SELECT array_agg(DISTINCT auth_method) FROM pg_hba_file_rules`);
    expect(rules).toEqual(['scram-sha-256']);
  });

  it('is attached to by the next start, on the same port, even after the first starter was killed', async () => {
    await useMade();
    const starter = startInProcess(compiled, home, binaries);
    const first = await starter.started;
    process.kill(starter.pid, 'SIGKILL');
    await starter.ended;
    const second = await start({ port: port + 100 });
    expect(second).toMatchObject({ outcome: 'attached', pid: first.pid, port: first.port });
    await second.stop();
    expect(await start({ port: port + 100 })).toMatchObject({ outcome: 'started', port: first.port });
  });

  it('ends with one server when five processes start it at once', async () => {
    const starters = Array.from({ length: 5 }, () => startInProcess(compiled, home, binaries));
    const servers = await Promise.all(starters.map(({ started }) => started));
    expect(new Set(servers.map(({ pid }) => pid)).size).toBe(1);
    expect(servers.filter(({ outcome }) => outcome === 'started')).toHaveLength(1);
    expect(await readdir(home)).toEqual(expect.arrayContaining(['postgresql']));
    expect((await readdir(home)).filter((entry) => entry.startsWith('.'))).toEqual([]);
    for (const starter of starters) process.kill(starter.pid, 'SIGKILL');
    await Promise.all(starters.map(({ ended }) => ended));
  });

  it('recovers after the server was killed, with what was committed', async () => {
    await useMade();
    const first = await start();
    await ask(first.dsn, 'CREATE TABLE kept AS SELECT 42 AS answer');
    process.kill(first.pid, 'SIGKILL');
    const second = await start();
    expect(second.outcome).toBe('started');
    expect(await ask(second.dsn, 'SELECT answer FROM kept')).toBe(42);
  });

  it('is not fooled by the pid file of a dead server whose number another program has now', async () => {
    await useMade();
    const file = join(home, 'postgresql/data/postmaster.pid');
    await writeFile(
      file,
      `${process.pid}\n${join(home, 'postgresql/data')}\n0\n29000\n\n127.0.0.1\n\nready\n`,
    );
    expect((await start()).outcome).toBe('started');
    expect(await readFile(file, 'utf8')).not.toContain(`${process.pid}\n`);
  });

  it('goes to another port when a stranger holds its own', async () => {
    await useMade();
    const first = await start();
    await first.stop();
    const stranger = createServer().listen(first.port, '127.0.0.1');
    await eventually(() => expect(stranger.listening).toBe(true));
    try {
      expect((await start()).port).not.toBe(first.port);
    } finally {
      stranger.close();
    }
  });

  it('refuses a data directory of another major version and names the way out', async () => {
    await mkdir(join(home, 'postgresql/data'), { recursive: true });
    await writeFile(join(home, 'postgresql/data/PG_VERSION'), '14\n');
    await expect(start()).rejects.toThrow(/was written by PostgreSQL 14.*pg_dump.*--data-dir/);
  });

  it('says why a server does not start', async () => {
    await useMade();
    await expect(start({ settings: { shared_buffers: 'much' } })).rejects.toThrow(
      /did not start.*shared_buffers/,
    );
  });

  it('makes the library links that npm did not make, and copies programs out of a private folder', async () => {
    await useMade();
    const wall = await mkdtemp(join(tmpdir(), 'private-'));
    try {
      const links = await bareCopy(binaries, join(wall, 'package'));
      if (process.getuid?.() === 0) {
        const server = await start({ binaries: join(wall, 'package') });
        expect(server.outcome).toBe('started');
        expect((await readdir(home)).filter((entry) => entry.startsWith('programs-'))).toHaveLength(1);
      } else {
        await start({ binaries: join(wall, 'package') });
        await stat(join(wall, 'package', links[0] ?? ''));
      }
    } finally {
      await stopEmbeddedPostgres(home);
      await rm(wall, { recursive: true, force: true });
    }
  });

  it.runIf(process.getuid?.() === 0)('names the folder that shuts nobody out, with the mend', async () => {
    const wall = await mkdtemp(join(tmpdir(), 'private-'));
    try {
      const directory = join(wall, 'below/data');
      await expect(start({ directory })).rejects.toThrow(`chmod o+x ${wall}`);
      expect(await readdir(wall)).toEqual([]);
    } finally {
      await rm(wall, { recursive: true, force: true });
    }
  });

  it.runIf(process.getuid?.() === 0)('runs as the ordinary user who starts it', async () => {
    await chmod(home, 0o777);
    // Of their own: a checkout may lie where only its owner can enter.
    const programs = await passableFolder();
    try {
      await chmod(programs, 0o755);
      await cp(binaries, programs, { recursive: true, verbatimSymlinks: true });
      const starter = startInProcess(compiled, home, programs, { uid: 1000, gid: 1000 });
      const { pid } = await starter.started;
      expect((await stat(`/proc/${pid}`)).uid).toBe(1000);
      process.kill(starter.pid, 'SIGKILL');
      await starter.ended;
    } finally {
      await rm(programs, { recursive: true, force: true });
    }
  });
});

async function passableFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'embedded-'));
  await chmod(folder, 0o711);
  return folder;
}

async function ask(dsn: string, sql: string): Promise<unknown> {
  const client = new pg.Client({ connectionString: dsn });
  await client.connect();
  try {
    const { rows } = await client.query<Record<string, unknown>>(sql);
    return Object.values(rows[0] ?? {})[0];
  } finally {
    await client.end();
  }
}

/** A package as npm lays it down without running install scripts: no links. Answers the links' paths. */
async function bareCopy(from: string, to: string): Promise<string[]> {
  await cp(from, to, { recursive: true, verbatimSymlinks: true });
  const text = await readFile(join(to, 'native/pg-symlinks.json'), 'utf8');
  const links = (JSON.parse(text) as { target: string }[]).map(({ target }) => target);
  for (const link of links) await rm(join(to, link), { force: true });
  return links;
}

interface Starter {
  readonly pid: number;
  readonly started: Promise<Pick<EmbeddedPostgres, 'pid' | 'port' | 'outcome'>>;
  readonly ended: Promise<unknown>;
}

/** All that the launcher takes from npm. */
const PG_AND_ITS_PARTS = /^(pg|pg-.*|pgpass|postgres-.*|split2|xtend)$/;

/** This folder as JavaScript, for processes of their own: Node 20 reads no TypeScript. */
async function compile(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'embedded-compiled-'));
  await chmod(directory, 0o755);
  for (const name of await readdir(import.meta.dirname)) {
    if (!name.endsWith('.ts') || name.endsWith('.spec.ts')) continue;
    const { code } = await transformFile(join(import.meta.dirname, name));
    await writeFile(join(directory, name.replace(/\.ts$/, '.js')), code);
  }
  await writeFile(join(directory, 'package.json'), '{"type":"module"}');
  const packages = join(process.cwd(), 'node_modules');
  for (const name of (await readdir(packages)).filter((one) => PG_AND_ITS_PARTS.test(one))) {
    await cp(join(packages, name), join(directory, 'node_modules', name), { recursive: true });
  }
  return directory;
}

/** Starts the server from a process that then stays until it is killed. */
function startInProcess(
  compiled: string,
  directory: string,
  binaries: string,
  user: { uid?: number; gid?: number } = {},
): Starter {
  const script = `
    import { startEmbeddedPostgres } from ${JSON.stringify(join(compiled, 'embedded-postgres.js'))};
    const server = await startEmbeddedPostgres(${JSON.stringify({ directory, binaries, port })});
    console.log(JSON.stringify({ pid: server.pid, port: server.port, outcome: server.outcome }));
    setInterval(() => undefined, 1000);
  `;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    ...user,
    cwd: compiled,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let errors = '';
  child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()));
  const started = new Promise<Pick<EmbeddedPostgres, 'pid' | 'port' | 'outcome'>>((resolve, reject) => {
    child.stdout.once('data', (chunk: Buffer) => resolve(JSON.parse(chunk.toString()) as EmbeddedPostgres));
    child.once('exit', () => reject(new Error(errors)));
  });
  return {
    pid: child.pid ?? 0,
    started,
    ended: new Promise((resolve) => child.once('exit', resolve)),
  };
}
