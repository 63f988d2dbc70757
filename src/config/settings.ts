/**
 * The settings of every command, as a tree of classes whose property names are the keys of the YAML file.
 * The class `Settings` is also the token by which Nest injects them. Durations are milliseconds.
 * docs/settings.md says what each one does; `loadSettings` fills what depends on other settings.
 */
import { join } from 'node:path';
import { QUEUE_NAME } from '../protocol/priority.js';
import { type Milliseconds, parseDuration } from './durations.js';
import {
  Choice,
  ConnectionString,
  Decimal,
  Duration,
  Flag,
  Integer,
  NetworkList,
  Port,
  Secret,
  Section,
  SectionsByName,
  Text,
  TextList,
} from './setting-kinds.js';
import { stateFolder } from './state-folder.js';

export const DATABASE_TYPES = ['embedded', 'postgres'] as const;
export type DatabaseType = (typeof DATABASE_TYPES)[number];

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export const LOG_FORMATS = ['json', 'pretty'] as const;
export type LogFormat = (typeof LOG_FORMATS)[number];

const day = parseDuration('1d');

export class DatabaseSettings {
  /** After loading: `postgres` if a dsn was given, else `embedded`. */
  @Choice(DATABASE_TYPES, {
    sqlite:
      'embedded or postgres; SQLite is only read to bring its jobs over: choose one of these, then run `ffmpeg-master import --from sqlite:FILE`',
  })
  type: DatabaseType;
  /** For the pool; may be a transaction pooler. Absent only where the type is `embedded`. */
  @ConnectionString() dsn?: string;
  /** For the lock session, the listener and vacuum: always a server. After loading: dsn unless given. */
  @ConnectionString() direct_dsn?: string;
  /** For migrations. After loading: direct_dsn unless given. */
  @ConnectionString() migrate_dsn?: string;
  /** For lists and statistics, never for a decision; any server that has the same rows, a little late. */
  @ConnectionString() replica_dsn?: string;
  @Text() data_dir: string = stateFolder();
  @Integer({ min: 1, max: 10_000 }) max_open_conns: number = 25;
  /** After loading: never above max_open_conns. */
  @Integer({ min: 0, max: 10_000 }) max_idle_conns: number = 5;
  /** 0: for ever. */
  @Duration({ min: 0 }) conn_max_lifetime: Milliseconds = parseDuration('5m');
  /** 0: for ever. */
  @Duration({ min: 0 }) conn_max_idle_time: Milliseconds = parseDuration('1m');
}

export class ApiSettings {
  @Text() host: string = '0.0.0.0';
  @Port() port: number = 8080;
  @Flag() tls_enabled: boolean = false;
  @Text() tls_cert_path?: string;
  @Text() tls_key_path?: string;
  @Text() client_ca_path?: string;
  /** Requests a second that one key may make; absent: any number. */
  @Integer({ min: 1, max: 1_000_000 }) rate_limit?: number;
  @NetworkList() trusted_proxies: string[] = [];
}

export class MetricsSettings {
  @Port() port: number = 9090;
}

export class SchedulerSettings {
  /** False: this master never leads. */
  @Flag() enabled: boolean = true;
  @Duration({ min: 10 }) scheduling_interval: Milliseconds = parseDuration('5s');
  @Duration({ min: 10 }) cleanup_interval: Milliseconds = parseDuration('30s');
  @Duration({ min: 10 }) health_check_interval: Milliseconds = parseDuration('10s');
}

export class RetrySettings {
  @Integer({ min: 0, max: 1_000 }) max_retries: number = 3;
  @Duration() initial_backoff: Milliseconds = parseDuration('5s');
  @Duration() max_backoff: Milliseconds = parseDuration('5m');
  @Decimal({ min: 1, max: 100 }) backoff_multiplier: number = 2;
}

export class TimeoutSettings {
  @Duration() assigned_timeout: Milliseconds = parseDuration('30s');
  @Duration() running_timeout_base: Milliseconds = parseDuration('5m');
  @Duration({ min: 0 }) running_timeout_per_minute: Milliseconds = parseDuration('30s');
  @Duration() heartbeat_timeout: Milliseconds = parseDuration('90s');
}

export class WorkersSettings {
  @Duration({ min: 10 }) heartbeat_interval: Milliseconds = parseDuration('10s');
  @Duration({ min: 10 }) lease_duration: Milliseconds = parseDuration('30s');
  @Duration({ min: 10 }) recovery_check_interval: Milliseconds = parseDuration('5s');
  @Duration({ min: 0 }) outage_grace: Milliseconds = parseDuration('10m');
  /** Another name of timeouts.heartbeat_timeout. After loading both are the same. */
  @Duration() heartbeat_timeout: Milliseconds = parseDuration('90s');
}

export class WorkerSettings {
  /** Absent: the worker takes one for every four cores, at least one. */
  @Integer({ min: 1, max: 1_024 }) slots?: number;
  @Text() output_dir: string = join(stateFolder(), 'output');
  @Text() work_dir: string = join(stateFolder(), 'work');
  @TextList() input_roots: string[] = [];
  /** Where RTMP output may go: `host`, `host:port` or an address; none: RTMP output is off. A bare name covers port 1935 on public addresses only. */
  @TextList() rtmp_hosts: string[] = [];
  /** Absent: FFMPEG_PATH, then the PATH, then the copy for development. */
  @Text() ffmpeg_path?: string;
  @Port() metrics_port: number = 9191;
}

export class SignalSettings {
  @Duration({ min: 10 }) poll_interval: Milliseconds = parseDuration('1s');
}

/** Partitions are of one day, so nothing is dropped sooner. */
export class RetentionSettings {
  @Duration({ min: day, max: 36_500 * day }) history: Milliseconds = parseDuration('30d');
  @Duration({ min: day, max: 36_500 * day }) logs: Milliseconds = parseDuration('7d');
}

export class QueueSettings {
  /** Smaller is served first; absent: live 0, default 1, batch 2, any other 1. */
  @Decimal({ min: 0, max: 1_000 }) rank?: number;
  /** Absent: strict order. */
  @Duration({ max: 365 * day }) aging_step?: Milliseconds;
  /** Absent: no limit. */
  @Integer({ min: 1, max: 1_000_000 }) max_running?: number;
}

export class LoggingSettings {
  @Choice(LOG_LEVELS) level: LogLevel = 'info';
  @Choice(LOG_FORMATS) format: LogFormat = 'json';
}

export class Settings {
  @Section(DatabaseSettings) database: DatabaseSettings = new DatabaseSettings();
  @Section(ApiSettings) api: ApiSettings = new ApiSettings();
  @Section(MetricsSettings) metrics: MetricsSettings = new MetricsSettings();
  @Section(SchedulerSettings) scheduler: SchedulerSettings = new SchedulerSettings();
  @Section(RetrySettings) retry: RetrySettings = new RetrySettings();
  @Section(TimeoutSettings) timeouts: TimeoutSettings = new TimeoutSettings();
  @Section(WorkersSettings) workers: WorkersSettings = new WorkersSettings();
  @Section(WorkerSettings) worker: WorkerSettings = new WorkerSettings();
  @Section(SignalSettings) signals: SignalSettings = new SignalSettings();
  @Section(RetentionSettings) retention: RetentionSettings = new RetentionSettings();
  /** By name; without a prototype, for `constructor` is a name like any other. */
  @SectionsByName(QueueSettings, QUEUE_NAME) queues: Record<string, QueueSettings> = Object.create(
    null,
  ) as Record<string, QueueSettings>;
  @Section(LoggingSettings) logging: LoggingSettings = new LoggingSettings();
  /** The first admin key, from the environment variable MASTER_API_KEY alone; never stored, never shown. */
  @Secret(16) master_api_key?: string;
}
