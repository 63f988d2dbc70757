/**
 * PostgreSQL as operators run it for high availability: three nodes under Patroni with etcd, and HAProxy before them,
 * which sends everybody to the node whose Patroni says that it is the primary.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { openSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { giveTo, serverAccount, type ServerAccount } from '../../../src/database/embedded/server-account.js';
import { eventually } from '../../support/eventually.js';
import { call } from '../../e2e/support/api.js';
import { freePort } from '../../support/free-port.js';
import { type DatabaseUnderTest, dsnWith } from './database-under-test.js';
import { debianBinaries, hasDebianPostgres } from './debian-server.js';
import type { Address } from './fault-proxy.js';

const run = promisify(execFile);
const PASSWORD = 'fault-test';
const [ROLE, DATABASE] = ['ffmpeg_master', 'ffmpeg_master'];

/** The programs it needs and this machine lacks, by their Debian packages. */
export function missingForPatroni(): string[] {
  const missing = [];
  if (!hasDebianPostgres()) missing.push('postgresql-15');
  if (!existsSync('/usr/bin/patroni')) missing.push('patroni');
  if (!existsSync('/usr/bin/etcd')) missing.push('etcd-server');
  if (!existsSync('/usr/sbin/haproxy')) missing.push('haproxy');
  return missing;
}

export interface PatroniOptions {
  /** True: Patroni's synchronous_mode with strict set; a commit waits for a standby that can take over. */
  readonly synchronous: boolean;
}

export interface PatroniNode {
  readonly name: string;
  readonly port: number;
  /** Patroni's REST API. */
  readonly api: string;
  readonly data: string;
  process: ChildProcess;
}

export class PatroniCluster implements DatabaseUnderTest {
  readonly nodes: PatroniNode[] = [];
  private readonly others: ChildProcess[] = [];
  private etcd = '';
  private frontPort = 0;

  private constructor(
    readonly directory: string,
    private readonly account: ServerAccount,
    private readonly options: PatroniOptions,
  ) {}

  static async start(options: PatroniOptions): Promise<PatroniCluster> {
    const directory = await mkdtemp(join(tmpdir(), 'ffmpeg-master-patroni-'));
    await chmod(directory, 0o755);
    const cluster = new PatroniCluster(directory, await serverAccount(), options);
    try {
      await cluster.startEtcd();
      for (let k = 0; k < 3; k += 1) await cluster.addNode(`pg${k}`);
      await cluster.startFront();
      // Strictly synchronous, no commit ends before there is somebody to wait for.
      await cluster.hasStandby();
      await cluster.makeDatabase();
    } catch (error) {
      await cluster.stop();
      throw error;
    }
    return cluster;
  }

  get pool(): readonly Address[] {
    return [{ host: '127.0.0.1', port: this.frontPort }];
  }

  get direct(): readonly Address[] {
    return this.pool;
  }

  dsn(hosts: readonly Address[]): string {
    return dsnWith(`postgresql://${ROLE}:${PASSWORD}@host/${DATABASE}`, hosts);
  }

  adminDsn(hosts: readonly Address[]): string {
    return dsnWith(`postgresql://postgres:${PASSWORD}@host/${DATABASE}`, hosts);
  }

  /** The node that is the primary now, by its own word. */
  primary(within = 60_000): Promise<PatroniNode> {
    return eventually(
      async () => {
        for (const node of this.nodes) {
          const answer = await call(`${node.api}/primary`).catch(() => undefined);
          if (answer?.status === 200) return node;
        }
        throw new Error(`no node is the primary\n${await this.logs()}`);
      },
      { within, every: 100 },
    );
  }

  /** kill -9 of a node's postmaster and of its Patroni, as when a machine loses its power. */
  async killNode(node: PatroniNode): Promise<void> {
    const pid = Number((await readFile(join(node.data, 'postmaster.pid'), 'utf8')).split('\n', 1)[0]);
    node.process.kill('SIGKILL');
    process.kill(pid, 'SIGKILL');
  }

  /** Starts a killed node's Patroni again; it comes back as a standby. */
  async reviveNode(node: PatroniNode): Promise<void> {
    node.process = this.spawnPatroni(node.name);
    await eventually(
      async () => {
        const answer = await call<{ state: string }>(`${node.api}/patroni`);
        if (answer.body.state !== 'running' && answer.body.state !== 'streaming')
          throw new Error(`${node.name} is ${answer.body.state}`);
      },
      { within: 60_000, every: 200 },
    );
  }

  /** Answers when there is a standby that can take over: a synchronous one where that is asked for. */
  async hasStandby(within = 60_000): Promise<void> {
    const wanted = this.options.synchronous ? 'synchronous' : 'async';
    await eventually(
      async () => {
        for (const node of this.nodes) {
          const answer = await call(`${node.api}/${wanted === 'async' ? 'replica' : 'synchronous'}`).catch(
            () => undefined,
          );
          if (answer?.status === 200) return;
        }
        throw new Error(`there is no ${wanted} standby\n${await this.logs()}`);
      },
      { within, every: 100 },
    );
  }

  async logs(): Promise<string> {
    const files = ['etcd', 'haproxy', ...this.nodes.map(({ name }) => name)];
    const texts = files.map((name) => readFile(join(this.directory, `${name}.log`), 'utf8').catch(() => ''));
    return (await Promise.all(texts)).join('\n');
  }

  async stop(): Promise<void> {
    for (const node of this.nodes) {
      const pid = await readFile(join(node.data, 'postmaster.pid'), 'utf8').then(
        (text) => Number(text.split('\n', 1)[0]),
        () => undefined,
      );
      node.process.kill('SIGKILL');
      // Patroni's own end would take seconds a node; nothing of the data is kept.
      if (pid !== undefined) await run('kill', ['-QUIT', String(pid)]).catch(() => undefined);
    }
    for (const child of this.others) child.kill('SIGTERM');
    await rm(this.directory, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
  }

  private async startEtcd(): Promise<void> {
    const [client, peer] = [await freePort(), await freePort()];
    this.etcd = `127.0.0.1:${client}`;
    const data = join(this.directory, 'etcd');
    const own = `http://127.0.0.1:${peer}`;
    this.others.push(
      this.spawn('etcd', '/usr/bin/etcd', [
        ...['--name', 'etcd', '--data-dir', data, '--unsafe-no-fsync', '--log-level', 'error'],
        ...['--listen-client-urls', `http://${this.etcd}`, '--advertise-client-urls', `http://${this.etcd}`],
        ...[
          '--listen-peer-urls',
          own,
          '--initial-advertise-peer-urls',
          own,
          '--initial-cluster',
          `etcd=${own}`,
        ],
      ]),
    );
    await eventually(
      async () => {
        const { status } = await call(`http://${this.etcd}/health`);
        if (status !== 200) throw new Error(`etcd is not healthy\n${await this.logs()}`);
      },
      { within: 20_000, every: 50 },
    );
  }

  private async addNode(name: string): Promise<void> {
    const [port, api] = [await freePort(), await freePort()];
    const home = join(this.directory, name);
    await mkdir(home);
    const data = join(home, 'data');
    await writeFile(
      join(this.directory, `${name}.json`),
      JSON.stringify(this.settings(name, port, api, home)),
    );
    await giveTo(this.account, home);
    const node = { name, port, api: `http://127.0.0.1:${api}`, data, process: this.spawnPatroni(name) };
    this.nodes.push(node);
    if (this.nodes.length === 1) await this.primary();
  }

  /** As Patroni's own documents have it, but for the times, which are its shortest. JSON is YAML. */
  private settings(name: string, port: number, api: number, home: string): object {
    const login = (username: string) => ({ username, password: PASSWORD });
    return {
      scope: 'fault-test',
      name,
      restapi: { listen: `127.0.0.1:${api}`, connect_address: `127.0.0.1:${api}` },
      etcd3: { host: this.etcd },
      bootstrap: {
        dcs: {
          ttl: 10,
          loop_wait: 1,
          retry_timeout: 3,
          maximum_lag_on_failover: 1_048_576,
          synchronous_mode: this.options.synchronous,
          synchronous_mode_strict: this.options.synchronous,
          postgresql: {
            use_pg_rewind: true,
            parameters: { fsync: 'off', max_connections: 100, wal_log_hints: 'on', wal_keep_size: '256MB' },
          },
        },
        initdb: [{ encoding: 'UTF8' }, { locale: 'C.UTF-8' }, 'no-sync'],
        pg_hba: [
          'host replication all 127.0.0.1/32 scram-sha-256',
          'host all all 127.0.0.1/32 scram-sha-256',
        ],
      },
      postgresql: {
        listen: `127.0.0.1:${port}`,
        connect_address: `127.0.0.1:${port}`,
        data_dir: join(home, 'data'),
        bin_dir: debianBinaries,
        pgpass: join(home, 'pgpass'),
        authentication: {
          superuser: login('postgres'),
          replication: login('replicator'),
          rewind: login('rewinder'),
        },
        parameters: { unix_socket_directories: home },
      },
    };
  }

  /** The configuration that Patroni's documents print, with checks each 200 ms. */
  private async startFront(): Promise<void> {
    this.frontPort = await freePort();
    const servers = this.nodes.map(
      ({ name, port, api }) =>
        `  server ${name} 127.0.0.1:${port} maxconn 100 check port ${new URL(api).port}`,
    );
    const file = join(this.directory, 'haproxy.cfg');
    await writeFile(
      file,
      `global
  maxconn 1000
defaults
  mode tcp
  retries 2
  timeout connect 2s
  timeout check 1s
  timeout client 30m
  timeout server 30m
listen primary
  bind 127.0.0.1:${this.frontPort}
  option httpchk GET /primary
  http-check expect status 200
  default-server inter 200ms fall 2 rise 1 on-marked-down shutdown-sessions
${servers.join('\n')}
`,
    );
    this.others.push(this.spawn('haproxy', '/usr/sbin/haproxy', ['-f', file]));
  }

  private async makeDatabase(): Promise<void> {
    const primary = await this.primary();
    const sql = (text: string, database: string) =>
      run(join(debianBinaries, 'psql'), [
        ...['-X', '-At', '-v', 'ON_ERROR_STOP=1', '-c', text],
        `postgresql://postgres:${PASSWORD}@127.0.0.1:${primary.port}/${database}?sslmode=disable`,
      ]);
    // With strict synchronous mode a commit waits until there is a standby.
    await this.hasStandby();
    await sql(`CREATE ROLE ${ROLE} LOGIN CREATEDB CREATEROLE PASSWORD '${PASSWORD}'`, 'postgres');
    await sql(`CREATE DATABASE ${DATABASE} OWNER ${ROLE}`, 'postgres');
  }

  private spawnPatroni(name: string): ChildProcess {
    return this.spawn(name, '/usr/bin/patroni', [join(this.directory, `${name}.json`)]);
  }

  private spawn(name: string, program: string, args: readonly string[]): ChildProcess {
    const log = openSync(join(this.directory, `${name}.log`), 'a');
    return spawn(program, args, {
      cwd: this.directory,
      stdio: ['ignore', log, log],
      env: { PATH: process.env.PATH, HOME: this.directory, LANG: 'C.UTF-8' },
      ...(name.startsWith('pg') ? this.account : {}),
    });
  }
}
