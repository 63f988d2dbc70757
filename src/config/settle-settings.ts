/** What settings say about each other: rules between them, and defaults that follow from others. */
import { join } from 'node:path';
import type { SettingProblem } from './configuration-error.js';
import { parseDsn } from './dsn.js';
import { formatDuration } from './durations.js';
import { strictBeforeAging } from './queue-ranks.js';
import type { Settings } from './settings.js';
import { stateFolder } from './state-folder.js';

/**
 * Fills the settings that follow from others, and answers the rules that are broken. Each value must be
 * right by itself; `given` holds the dotted keys that somebody wrote.
 */
export function settle(
  settings: Settings,
  given: ReadonlySet<string>,
  env: NodeJS.ProcessEnv,
): SettingProblem[] {
  settleFolders(settings, given, env);
  settlePool(settings, given);
  return [
    ...settleDatabase(settings, given),
    ...settleHeartbeat(settings, given),
    ...rules(settings),
    ...strictBeforeAging(settings.queues),
  ];
}

function settleFolders(
  { database, worker }: Settings,
  given: ReadonlySet<string>,
  env: NodeJS.ProcessEnv,
): void {
  const folder = stateFolder(env);
  if (!given.has('database.data_dir')) database.data_dir = folder;
  if (!given.has('worker.output_dir')) worker.output_dir = join(folder, 'output');
  if (!given.has('worker.work_dir')) worker.work_dir = join(folder, 'work');
}

function settleDatabase({ database }: Settings, given: ReadonlySet<string>): SettingProblem[] {
  database.type ??= database.dsn === undefined ? 'embedded' : 'postgres';
  if (database.type === 'postgres' && database.dsn === undefined) {
    return [
      {
        key: 'database.dsn',
        allowed: 'postgresql://user:password@host:5432/database; database.type postgres needs it',
      },
    ];
  }
  if (database.type === 'embedded') {
    return ['dsn', 'direct_dsn', 'migrate_dsn', 'replica_dsn']
      .map((name) => `database.${name}`)
      .filter((key) => given.has(key))
      .map((key) => ({
        key,
        allowed:
          'nothing while database.type is embedded, which starts its own server; for a server of yours set database.type to postgres and give database.dsn',
      }));
  }
  database.direct_dsn ??= database.dsn;
  database.migrate_dsn ??= database.direct_dsn;
  return [];
}

/** pgx's names for the two pool sizes may stand in the dsn; they take the place of the defaults only. */
function settlePool({ database }: Settings, given: ReadonlySet<string>): void {
  const { pool_max_conns, pool_min_conns } = database.dsn === undefined ? {} : parseDsn(database.dsn);
  if (!given.has('database.max_open_conns'))
    database.max_open_conns = pool_max_conns ?? database.max_open_conns;
  if (!given.has('database.max_idle_conns'))
    database.max_idle_conns = pool_min_conns ?? database.max_idle_conns;
  // As Go's database/sql does, so that a smaller max_open_conns alone needs no second setting.
  database.max_idle_conns = Math.min(database.max_idle_conns, database.max_open_conns);
}

function settleHeartbeat({ timeouts, workers }: Settings, given: ReadonlySet<string>): SettingProblem[] {
  const alias = given.has('workers.heartbeat_timeout');
  const proper = given.has('timeouts.heartbeat_timeout');
  if (alias && proper && workers.heartbeat_timeout !== timeouts.heartbeat_timeout) {
    const other = formatDuration(timeouts.heartbeat_timeout);
    return [
      {
        key: 'workers.heartbeat_timeout',
        value: formatDuration(workers.heartbeat_timeout),
        allowed: `only one of the two, being another name of timeouts.heartbeat_timeout, which is ${other}`,
      },
    ];
  }
  if (alias) timeouts.heartbeat_timeout = workers.heartbeat_timeout;
  else workers.heartbeat_timeout = timeouts.heartbeat_timeout;
  return [];
}

function rules({ api, metrics, retry, workers }: Settings): SettingProblem[] {
  const problems: SettingProblem[] = [];
  if (retry.initial_backoff > retry.max_backoff) {
    const limit = formatDuration(retry.max_backoff);
    problems.push({
      key: 'retry.initial_backoff',
      value: formatDuration(retry.initial_backoff),
      allowed: `at most retry.max_backoff, which is ${limit}`,
    });
  }
  if (workers.heartbeat_interval >= workers.lease_duration) {
    const limit = formatDuration(workers.lease_duration);
    problems.push({
      key: 'workers.heartbeat_interval',
      value: formatDuration(workers.heartbeat_interval),
      allowed: `less than workers.lease_duration, which is ${limit}: a lease would end before its heartbeat`,
    });
  }
  if ((api.tls_cert_path === undefined) !== (api.tls_key_path === undefined)) {
    const missing = api.tls_cert_path === undefined ? 'api.tls_cert_path' : 'api.tls_key_path';
    problems.push({
      key: missing,
      allowed: 'a file, for api.tls_cert_path and api.tls_key_path go together',
    });
  }
  // A client authority that nothing asks for would look like protection and be none.
  if (api.client_ca_path !== undefined && !api.tls_enabled) {
    problems.push({
      key: 'api.client_ca_path',
      value: JSON.stringify(api.client_ca_path),
      allowed: 'only with api.tls_enabled true',
    });
  }
  if (api.port !== 0 && api.port === metrics.port) {
    problems.push({
      key: 'metrics.port',
      value: String(metrics.port),
      allowed: 'another port than api.port',
    });
  }
  return problems;
}
