/**
 * A PostgreSQL of Debian's package postgresql-15, for what the server from npm has no programs for: base backups,
 * standbys, other addresses to listen on. As root it runs as `nobody`.
 */
import { execFile, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { processExists } from '../../../src/database/embedded/process-exists.js';
import { giveTo, serverAccount, type ServerAccount } from '../../../src/database/embedded/server-account.js';
import { eventually } from '../../support/eventually.js';
import { freePort } from '../../support/free-port.js';
import type { Address } from './fault-proxy.js';

const run = promisify(execFile);
const BINARIES = '/usr/lib/postgresql/15/bin';

/** Whether Debian's postgresql-15 is installed. */
export function hasDebianPostgres(): boolean {
  return existsSync(join(BINARIES, 'pg_basebackup'));
}

export const debianBinaries = BINARIES;

export interface DebianServerOptions {
  readonly settings?: Readonly<Record<string, string>>;
  /** Addresses beside 127.0.0.1. */
  readonly listen?: readonly string[];
}

const SUPERUSER = 'postgres';
const PASSWORD = 'fault-test';
const STREAMS_AS = `user=${SUPERUSER} password=${PASSWORD} application_name=standby`;
const [ROLE, DATABASE] = ['ffmpeg_master', 'ffmpeg_master'];

export class DebianServer {
  private constructor(
    readonly directory: string,
    readonly port: number,
    private readonly account: ServerAccount,
    private readonly options: DebianServerOptions,
  ) {}

  /** A new cluster with a role and a database for masters. */
  static async create(options: DebianServerOptions = {}): Promise<DebianServer> {
    const server = await DebianServer.prepare(options);
    await writeFile(server.passwordFile, PASSWORD);
    await giveTo(server.account, server.passwordFile);
    const auth = ['-U', SUPERUSER, '-A', 'scram-sha-256', `--pwfile=${server.passwordFile}`];
    await server.tool('initdb', ['-D', server.data, '--no-sync', '-E', 'UTF8', '--locale=C.UTF-8', ...auth]);
    await server.allow();
    await server.start();
    await server.sql(`CREATE ROLE ${ROLE} LOGIN CREATEDB CREATEROLE PASSWORD '${PASSWORD}'`, 'postgres');
    await server.sql(`CREATE DATABASE ${DATABASE} OWNER ${ROLE}`, 'postgres');
    return server;
  }

  /**
   * A standby of `primary`, copied from it as it runs, that streams from it.
   * @param through the port of a link to the primary, by which it streams
   */
  static async standbyOf(primary: DebianServer, through?: number): Promise<DebianServer> {
    const upstream = `host=127.0.0.1 port=${through ?? primary.port} ${STREAMS_AS}`;
    const server = await DebianServer.prepare({ settings: through ? { primary_conninfo: upstream } : {} });
    await server.copyFrom(primary);
    await server.start();
    return server;
  }

  private static async prepare(options: DebianServerOptions): Promise<DebianServer> {
    const directory = await mkdtemp(join(tmpdir(), 'ffmpeg-master-debian-'));
    await chmod(directory, 0o755);
    const account = await serverAccount();
    await mkdir(join(directory, 'sockets'));
    await giveTo(account, directory);
    return new DebianServer(directory, await freePort(), account, options);
  }

  get data(): string {
    return join(this.directory, 'data');
  }

  get address(): Address {
    return { host: '127.0.0.1', port: this.port };
  }

  /** As the owner of the database. */
  get dsn(): string {
    return `postgresql://${ROLE}:${PASSWORD}@127.0.0.1:${this.port}/${DATABASE}?sslmode=disable`;
  }

  get adminDsn(): string {
    return `postgresql://${SUPERUSER}:${PASSWORD}@127.0.0.1:${this.port}/${DATABASE}?sslmode=disable`;
  }

  async pid(): Promise<number> {
    return Number((await readFile(join(this.data, 'postmaster.pid'), 'utf8')).split('\n', 1)[0]);
  }

  /** Answers when it accepts connections. */
  async start(): Promise<void> {
    const settings = {
      port: String(this.port),
      listen_addresses: ['127.0.0.1', ...(this.options.listen ?? [])].join(','),
      unix_socket_directories: join(this.directory, 'sockets'),
      fsync: 'off',
      max_connections: '200',
      wal_keep_size: '512MB',
      wal_log_hints: 'on',
      hot_standby_feedback: 'on',
      wal_retrieve_retry_interval: '100ms',
      ...this.options.settings,
    };
    const flags = Object.entries(settings).map(([name, value]) => `-c ${name}='${value}'`);
    await this.tool('pg_ctl', ['-D', this.data, '-w', '-l', this.logFile, '-o', flags.join(' '), 'start']);
  }

  async halt(mode: 'fast' | 'immediate'): Promise<void> {
    await this.tool('pg_ctl', ['-D', this.data, '-w', '-m', mode, 'stop']);
  }

  /** kill -9 of the postmaster; answers when it is gone. */
  async kill(): Promise<void> {
    const pid = await this.pid();
    process.kill(pid, 'SIGKILL');
    await eventually(() => {
      if (processExists(pid)) throw new Error(`the server ${pid} still runs`);
    });
  }

  /** Answers when it takes writes. */
  async promote(): Promise<void> {
    await this.tool('pg_ctl', ['-D', this.data, '-w', 'promote']);
  }

  /** Becomes a standby of `primary`, by a link to it or straight: what it had is thrown away. It must be down. */
  async copyFrom(primary: DebianServer, through = primary.port): Promise<void> {
    await rm(this.data, { recursive: true, force: true });
    const upstream = `host=127.0.0.1 port=${through} ${STREAMS_AS}`;
    await this.tool('pg_basebackup', [
      '-d',
      upstream,
      '-D',
      this.data,
      '-R',
      '-X',
      'stream',
      '-c',
      'fast',
      '--no-sync',
    ]);
  }

  /** Runs a statement as the superuser. */
  async sql(text: string, database = DATABASE): Promise<string> {
    const to = this.adminDsn.replace(`/${DATABASE}?`, `/${database}?`);
    const { stdout } = await run(join(BINARIES, 'psql'), [
      '-X',
      '-At',
      '-v',
      'ON_ERROR_STOP=1',
      '-c',
      text,
      to,
    ]);
    return stdout.trim();
  }

  logs(): Promise<string> {
    return readFile(this.logFile, 'utf8').catch(() => '');
  }

  /** Stops it, if it runs, and removes its files. */
  async stop(): Promise<void> {
    await this.halt('immediate').catch(() => undefined);
    await rm(this.directory, { recursive: true, force: true });
  }

  private get logFile(): string {
    return join(this.directory, 'server.log');
  }

  private get passwordFile(): string {
    return join(this.directory, 'password');
  }

  /** Whoever has the password may come, from wherever the test lets it listen, and replicate. */
  private async allow(): Promise<void> {
    const file = join(this.data, 'pg_hba.conf');
    await writeFile(
      file,
      'local all all scram-sha-256\nhost all all all scram-sha-256\nhost replication all all scram-sha-256\n',
    );
    await giveTo(this.account, file);
  }

  /** Not by execFile: a server that pg_ctl starts would keep the pipes of its output open. */
  private async tool(name: string, args: readonly string[]): Promise<void> {
    const log = join(this.directory, `${name}.log`);
    await writeFile(log, '', { flag: 'a' });
    await giveTo(this.account, log);
    const child = spawn(
      '/bin/sh',
      ['-c', 'exec "$0" "$@" >>"$TOOL_LOG" 2>&1', join(BINARIES, name), ...args],
      {
        cwd: this.directory,
        stdio: 'ignore',
        env: { ...process.env, TOOL_LOG: log, TZ: 'UTC' },
        ...this.account,
      },
    );
    const status = await new Promise((resolve) => child.once('exit', resolve));
    if (status !== 0)
      throw new Error(`${name} ended with ${String(status)}:\n${await readFile(log, 'utf8')}`);
  }
}
