/** The statements of an import. Each batch of rows is one statement, so that it arrives whole or not at all. */
import type { Queryable } from '../../database/database.js';
import { statement } from '../../database/statement.js';
import { LAST_POSITION, TODAY } from '../../jobs/job-columns.js';
import type { ImportedNode } from './imported-node.js';
import type { ImportedJob } from './imported-job.js';

/** A lane for each of the jobs was found. */
export type JobWithLane = ImportedJob & { readonly lane_id: number };

/** What is there of a batch already. */
export interface Present {
  readonly ids: ReadonlySet<string>;
  readonly numbers: ReadonlySet<string>;
}

export interface Compared {
  readonly compared: number;
  readonly missing: readonly string[];
  readonly differing: readonly string[];
  /** Jobs that went on since they arrived. */
  readonly moved_on: number;
  /** Those that have another number than they brought. */
  readonly renumbered: readonly { readonly id: string; readonly brought: string; readonly number: string }[];
  /** Digests of all rows of the batch, each 64 bits, by exclusive or. */
  readonly read_digest: string;
  readonly kept_digest: string;
}

export interface ComparedNode {
  readonly id: string;
  readonly name: string;
  readonly given_name: string;
  readonly missing: boolean;
  readonly differs: boolean;
}

const TENANT = `'default'`;

// Two imports at once would both find a job missing.
const LOCK_IMPORT = statement(
  'LockImport',
  `SELECT pg_try_advisory_lock(hashtextextended('ffmpeg_master.import', 0)) AS locked`,
);

const BEGIN_IMPORT = statement(
  'BeginImport',
  `INSERT INTO ffmpeg_master.imports (source) VALUES ($1) RETURNING id`,
);

const END_IMPORT = statement(
  'EndImport',
  `UPDATE ffmpeg_master.imports SET ended_at = now(), counts = $2::jsonb WHERE id = $1`,
);

// A job that arrived may have ended on any later day.
const IMPORT_DAYS = statement(
  'ListImportDays',
  `SELECT to_char(d.day, 'YYYY-MM-DD') AS day
   FROM (SELECT (min(i.began_at) AT TIME ZONE 'UTC')::date AS first FROM ffmpeg_master.imports i) f,
        generate_series(f.first, ${TODAY} + 1, interval '1 day') AS d(day)`,
);

// Whoever took a number before has committed once the table is locked, and whoever comes later takes one above.
const RAISE_NUMBERS = {
  begin: statement('BeginRaiseNumbers', 'BEGIN'),
  timeout: statement('RaiseNumbersTimeout', `SET LOCAL lock_timeout = '500ms'`),
  lock: statement('LockJobsForNumbers', 'LOCK TABLE ffmpeg_master.jobs IN SHARE MODE'),
  raise: statement(
    'RaiseNumbers',
    `SELECT setval('ffmpeg_master.job_sequence_numbers', greatest($1::bigint, s.last_value), s.is_called OR $1::bigint >= s.last_value)
     FROM ffmpeg_master.job_sequence_numbers s`,
  ),
  commit: statement('CommitRaiseNumbers', 'COMMIT'),
  rollback: statement('RollbackRaiseNumbers', 'ROLLBACK'),
};

// Of a day that is open the numbers are not known.
const NUMBER_DAYS = statement(
  'ListDaysOfNumbers',
  `SELECT to_char(p.day, 'YYYY-MM-DD') AS day
   FROM (SELECT CASE WHEN c.relname ~ '^job_history_[0-9]{8}$' THEN to_date(right(c.relname, 8), 'YYYYMMDD') END AS day
         FROM pg_catalog.pg_inherits i JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid
         WHERE i.inhparent = 'ffmpeg_master.job_history'::regclass) p
   LEFT JOIN ffmpeg_master.history_days d ON d.day = p.day
   WHERE p.day <= ${TODAY} + 1 AND (d.day IS NULL OR (d.lowest <= $2::bigint AND d.highest >= $1::bigint))`,
);

const FIND_IMPORTED = statement(
  'FindImportedJobs',
  `SELECT j.id FROM ffmpeg_master.jobs j WHERE j.id = ANY($1::uuid[])
   UNION ALL
   SELECT h.id FROM ffmpeg_master.job_history h WHERE h.archived_on = ANY($2::date[]) AND h.id = ANY($1::uuid[])`,
  { prepared: false },
);

/** A row has a number of the batch's range: asked first, for one look a table tells of a batch that comes for the first time. */
const anyOfRange = (table: string, days = ''): string =>
  `(SELECT EXISTS (SELECT FROM ffmpeg_master.${table} r
                   WHERE r.tenant_id = ${TENANT} AND r.sequence_number BETWEEN $3::bigint AND $4::bigint${days}))`;

const FIND_NUMBERS = statement(
  'FindTakenNumbers',
  `SELECT j.sequence_number::text AS number FROM ffmpeg_master.jobs j
   WHERE ${anyOfRange('jobs')} AND j.tenant_id = ${TENANT} AND j.sequence_number = ANY($1::bigint[])
   UNION ALL
   SELECT h.sequence_number::text FROM ffmpeg_master.job_history h
   WHERE ${anyOfRange('job_history', ' AND r.archived_on = ANY($2::date[])')}
     AND h.archived_on = ANY($2::date[]) AND h.tenant_id = ${TENANT} AND h.sequence_number = ANY($1::bigint[])`,
  { prepared: false },
);

/** `$1`, as json_to_recordset reads it. */
const SENT = `json_to_recordset($1::json) AS s(
     ordinal int, id uuid, sequence_number bigint, scenario text, parameters text, queue text, priority text, engine text,
     confidence text, lane_id int, status text, paused boolean, max_retries int, timeout_seconds int, retry_count int,
     node_id uuid, created_at timestamptz, started_at timestamptz, completed_at timestamptz, error text,
     failure_reason text, progress real, data jsonb, log_digest text)`;

const SHARED = `id, sequence_number, tenant_id, scenario, parameters, queue, priority, requirements, engine, confidence, status,
       paused, lane_id, position, max_retries, timeout_seconds, attempt, failures, retry_count, node_id, node_name,
       event_count, created_at, started_at, error, failure_reason`;

const SHARED_VALUES = `s.id, coalesce(s.sequence_number, nextval('ffmpeg_master.job_sequence_numbers')), ${TENANT}, s.scenario,
       s.parameters::jsonb, s.queue, s.priority, '{}', s.engine, s.confidence, s.status, s.paused, s.lane_id,
       least(${LAST_POSITION}, (extract(epoch FROM s.created_at) * 1000000)::bigint), s.max_retries, s.timeout_seconds,
       s.retry_count + (s.started_at IS NOT NULL)::int, least(s.retry_count, s.max_retries), s.retry_count, s.node_id,
       (SELECT n.name FROM ffmpeg_master.nodes n WHERE n.id = s.node_id), 1, s.created_at, s.started_at, s.error,
       s.failure_reason`;

/**
 * Waiting jobs are due at once, and so promoted by the leader: it wakes the masters for jobs that stand far in front of
 * what they have looked at. Events are of generation 0, before all streams: nobody who listens hears of old jobs.
 */
const INSERT_JOBS = statement(
  'InsertImportedJobs',
  `WITH sent AS MATERIALIZED (SELECT s.* FROM ${SENT}),
   waiting AS (
     INSERT INTO ffmpeg_master.jobs (${SHARED}, due_at)
     SELECT ${SHARED_VALUES}, now() FROM sent s WHERE s.completed_at IS NULL ORDER BY s.ordinal
     RETURNING id, sequence_number
   ),
   ended AS (
     INSERT INTO ffmpeg_master.job_history (${SHARED}, progress, completed_at, archived_on)
     SELECT ${SHARED_VALUES}, s.progress, s.completed_at, ${TODAY} FROM sent s WHERE s.completed_at IS NOT NULL ORDER BY s.ordinal
     RETURNING id, sequence_number
   ),
   event AS (
     INSERT INTO ffmpeg_master.job_events
       (day, job_id, n, generation, type, from_status, to_status, attempt, tenant_id, queue, actor, data)
     SELECT ${TODAY}, s.id, 1, 0, 'imported', NULL, s.status, 0, ${TENANT}, s.queue, 'import', s.data
     FROM sent s ORDER BY s.ordinal
   ),
   log AS (
     INSERT INTO ffmpeg_master.job_logs (day, job_id, lease_token, start_offset, text)
     SELECT ${TODAY}, l.id, 0, l."offset", l.text
     FROM json_to_recordset($2::json) AS l(id uuid, "offset" bigint, text text)
   )
   SELECT a.id, a.sequence_number::text AS number FROM (TABLE waiting UNION ALL TABLE ended) a
   JOIN sent s ON s.id = a.id AND s.sequence_number IS NULL`,
  { prepared: false },
);

/** What no job changes once it is there. */
const LASTING = (row: string): string =>
  `ROW(${row}.id, ${row}.scenario, ${row}.parameters, ${row}.queue, ${row}.priority, ${row}.engine, ${row}.confidence,
           ${row}.max_retries, ${row}.timeout_seconds, ${row}.created_at, ${row}.data, ${row}.log_digest)`;

/** What changes when a job goes on. */
const PRESENT = (row: string): string =>
  `ROW(${row}.status, ${row}.paused, ${row}.retry_count, ${row}.node_id, ${row}.started_at, ${row}.completed_at,
           ${row}.error, ${row}.failure_reason, ${row}.progress)`;

/** 64 bits. By md5 of the rows' texts the server compared 100,000 jobs in 7.8 s, and in 5.2 s so. */
const DIGEST = (row: string): string => `hash_record_extended(${row}, 0)`;

const KEPT = `k.id, k.sequence_number, k.scenario, k.parameters, k.queue, k.priority, k.engine, k.confidence, k.max_retries,
          k.timeout_seconds, k.created_at, k.status, k.paused, k.retry_count, k.node_id, k.started_at`;

// Row by row, by the whole of each key: what was just written has no statistics yet, and by `job_id = ANY(…)` the planner
// read all events and logs of the day and held each against 2,500 ids, 5.5 s a batch of 2,500 after 100,000 jobs. So it takes less than 0.15 s.
const COMPARE = statement(
  'CompareImportedJobs',
  `WITH sent AS MATERIALIZED (
     SELECT s.id, s.scenario, s.parameters::jsonb AS parameters, s.queue, s.priority, s.engine, s.confidence, s.max_retries,
            s.timeout_seconds, s.created_at, s.status, s.paused, s.retry_count, s.node_id, s.started_at, s.completed_at,
            s.error, s.failure_reason, s.data, s.log_digest, s.sequence_number,
            CASE WHEN s.completed_at IS NOT NULL THEN s.progress END AS progress
     FROM ${SENT}
   ),
   pair AS MATERIALIZED (
     SELECT s.id, w.id IS NULL AS missing, w.event_count > 1 AS moved_on,
            w.sequence_number <> s.sequence_number AS renumbered,
            s.sequence_number AS brought, w.sequence_number AS number,
            ${DIGEST(LASTING('s'))} AS read_digest, ${DIGEST(LASTING('w'))} AS kept_digest,
            ${LASTING('s')} IS DISTINCT FROM ${LASTING('w')}
              OR w.event_count = 1 AND ${PRESENT('s')} IS DISTINCT FROM ${PRESENT('w')} AS differs
     FROM sent s
     LEFT JOIN LATERAL (
       SELECT k.*, e.data, g.log_digest
       FROM (SELECT ${KEPT}, k.event_count, NULL::timestamptz AS completed_at, k.error, k.failure_reason, NULL::real AS progress
             FROM ffmpeg_master.jobs k WHERE k.id = s.id
             UNION ALL
             SELECT ${KEPT}, k.event_count, k.completed_at, k.error, k.failure_reason, k.progress
             FROM ffmpeg_master.job_history k WHERE k.archived_on = ANY($2::date[]) AND k.id = s.id LIMIT 1) k
       LEFT JOIN LATERAL (
         SELECT e.data FROM ffmpeg_master.job_events e
         WHERE e.day = ANY($2::date[]) AND e.job_id = s.id AND e.n = 1 AND e.type = 'imported' LIMIT 1) e ON true
       CROSS JOIN LATERAL (
         SELECT md5(string_agg(l.text, '' ORDER BY l.start_offset)) AS log_digest FROM ffmpeg_master.job_logs l
         WHERE l.day = ANY($2::date[]) AND l.job_id = s.id AND l.lease_token = 0) g
       LIMIT 1) w ON true
   )
   SELECT count(*) FILTER (WHERE NOT p.missing)::int AS compared,
          coalesce(array_agg(p.id) FILTER (WHERE p.missing), '{}') AS missing,
          coalesce(array_agg(p.id) FILTER (WHERE NOT p.missing AND p.differs), '{}') AS differing,
          count(*) FILTER (WHERE p.moved_on)::int AS moved_on,
          coalesce(json_agg(json_build_object('id', p.id, 'brought', p.brought::text, 'number', p.number::text)) FILTER (WHERE p.renumbered), '[]') AS renumbered,
          coalesce(bit_xor(p.read_digest), 0)::text AS read_digest,
          coalesce(bit_xor(p.kept_digest) FILTER (WHERE NOT p.missing), 0)::text AS kept_digest
   FROM pair p`,
  { prepared: false },
);

// A name that another node has gets the beginning of the id behind it.
const INSERT_NODES = statement(
  'InsertImportedNodes',
  `WITH sent AS MATERIALIZED (
     SELECT s.* FROM json_to_recordset($1::json) AS s(
       ordinal int, id uuid, name text, address text, instance_id uuid, slots int, cpu_threads int, cpu_model text,
       ram_total_bytes bigint, gpus jsonb, encoders jsonb, engines jsonb, labels jsonb, registered_at timestamptz)
   ),
   named AS (
     SELECT s.*, row_number() OVER (PARTITION BY s.name ORDER BY s.ordinal) > 1
              OR EXISTS (SELECT FROM ffmpeg_master.nodes n WHERE n.name = s.name AND n.tenant_id = ${TENANT}) AS taken
     FROM sent s WHERE NOT EXISTS (SELECT FROM ffmpeg_master.nodes n WHERE n.id = s.id)
   ),
   node AS (
     INSERT INTO ffmpeg_master.nodes
       (id, tenant_id, name, given_name, address, instance_id, slots, cpu_threads, cpu_model, ram_total_bytes, gpus, encoders,
        engines, ffmpeg_version, labels, status, registered_at)
     SELECT s.id, ${TENANT}, CASE WHEN s.taken THEN left(s.name, 119) || '-' || left(s.id::text, 8) ELSE s.name END, s.name,
            s.address, s.instance_id, s.slots, s.cpu_threads, s.cpu_model, s.ram_total_bytes, s.gpus,
            ARRAY(SELECT jsonb_array_elements_text(s.encoders)), ARRAY(SELECT jsonb_array_elements_text(s.engines)), '',
            s.labels, 'offline', coalesce(s.registered_at, now())
     FROM named s ORDER BY s.ordinal
     ON CONFLICT DO NOTHING RETURNING id, name, given_name
   ),
   counter AS (INSERT INTO ffmpeg_master.node_counters (node_id) SELECT n.id FROM node n),
   presence AS (INSERT INTO ffmpeg_master.node_presence (node_id) SELECT n.id FROM node n)
   SELECT n.id FROM node n`,
  { prepared: false },
);

/**
 * An agent that was heard since has told its machine anew, so that its node is compared only until then. The name is compared
 * with the one that was given: another node's may have been in its way.
 */
const COMPARE_NODES = statement(
  'CompareImportedNodes',
  `SELECT s.id, n.name, n.given_name, n.id IS NULL AS missing,
          coalesce(n.status = 'offline' AND n.registered_at = s.registered_at AND
            (n.given_name, n.address, n.cpu_threads, n.cpu_model, n.ram_total_bytes, n.gpus, n.encoders, n.labels) IS DISTINCT FROM
            (s.name, s.address, s.cpu_threads, s.cpu_model, s.ram_total_bytes, s.gpus,
             ARRAY(SELECT jsonb_array_elements_text(s.encoders)), s.labels), false) AS differs
   FROM json_to_recordset($1::json) AS s(
     id uuid, name text, address text, cpu_threads int, cpu_model text, ram_total_bytes bigint, gpus jsonb, encoders jsonb,
     labels jsonb, registered_at timestamptz)
   LEFT JOIN ffmpeg_master.nodes n ON n.id = s.id`,
  { prepared: false },
);

const FIND_NODES = statement(
  'FindImportedNodes',
  `SELECT n.id, n.name FROM ffmpeg_master.nodes n
   WHERE n.id = ANY($1::uuid[]) OR n.name = ANY($2::text[]) AND n.tenant_id = ${TENANT}`,
  { prepared: false },
);

const FIND_TENANT = statement(
  'FindImportedTenant',
  `SELECT FROM ffmpeg_master.imported_tenants t WHERE t.id = $1`,
);

const LIST_REQUIREMENTS = statement(
  'ListRequirementsForImport',
  `SELECT DISTINCT l.requirement_hash AS hash FROM ffmpeg_master.lanes l WHERE l.tenant_id = ${TENANT} AND l.requirement <> '{}'`,
);

const INSERT_TENANT = statement(
  'InsertImportedTenant',
  `INSERT INTO ffmpeg_master.imported_tenants (id, tenant) VALUES ($1, $2::jsonb)
   ON CONFLICT (id) DO UPDATE SET tenant = EXCLUDED.tenant RETURNING xmax = 0 AS is_new`,
);

export class ImportRepository {
  constructor(private readonly database: Queryable) {}

  async lock(): Promise<boolean> {
    const [row] = await this.database.query<{ locked: boolean }>(LOCK_IMPORT);
    return row?.locked === true;
  }

  async begin(source: string): Promise<number> {
    const [row] = await this.database.query<{ id: number }>(BEGIN_IMPORT, [source]);
    return row?.id ?? 0;
  }

  async end(id: number, counts: object): Promise<void> {
    await this.database.query(END_IMPORT, [id, JSON.stringify(counts)]);
  }

  /** From the first import to tomorrow; none where there was no import. */
  async days(): Promise<string[]> {
    return (await this.database.query<{ day: string }>(IMPORT_DAYS)).map(({ day }) => day);
  }

  /** Later jobs get numbers above this one. 55P03 where jobs were written to without a pause for half a second. */
  async raiseNumbers(highest: string): Promise<void> {
    const { begin, timeout, lock, raise, commit, rollback } = RAISE_NUMBERS;
    await this.database.query(begin);
    try {
      await this.database.query(timeout);
      await this.database.query(lock);
      await this.database.query(raise, [highest]);
      await this.database.query(commit);
    } catch (error) {
      await this.database.query(rollback);
      throw error;
    }
  }

  /** @param days of imports */
  async present(jobs: readonly ImportedJob[], days: readonly string[]): Promise<Present> {
    const ids = jobs.map(({ id }) => id);
    const found =
      days.length === 0 ? [] : await this.database.query<{ id: string }>(FIND_IMPORTED, [ids, days]);
    return { ids: new Set(found.map(({ id }) => id)), numbers: await this.taken(jobs) };
  }

  private async taken(jobs: readonly ImportedJob[]): Promise<Set<string>> {
    const numbers = jobs.flatMap(({ sequence_number }) => sequence_number ?? []);
    if (numbers.length === 0) return new Set();
    const sorted = numbers.map(BigInt).sort((a, b) => (a < b ? -1 : 1));
    const range = [String(sorted[0]), String(sorted.at(-1))];
    const days = await this.database.query<{ day: string }>(NUMBER_DAYS, range);
    const taken = await this.database.query<{ number: string }>(FIND_NUMBERS, [
      numbers,
      days.map(({ day }) => day),
      ...range,
    ]);
    return new Set(taken.map(({ number }) => number));
  }

  /** Answers the numbers of those that brought none. */
  insertJobs(jobs: readonly JobWithLane[]): Promise<{ id: string; number: string }[]> {
    const logs = jobs.flatMap(({ id, logs }) => logs.map(({ offset, text }) => ({ id, offset, text })));
    return this.database.query(INSERT_JOBS, [JSON.stringify(jobs.map(asSent)), JSON.stringify(logs)]);
  }

  /** @param logDigests md5 of each job's whole log, undefined where there is none */
  async compare(
    jobs: readonly ImportedJob[],
    logDigests: readonly (string | undefined)[],
    days: readonly string[],
  ): Promise<Compared> {
    const sent = jobs.map((job, ordinal) => ({ ...asSent(job, ordinal), log_digest: logDigests[ordinal] }));
    const [row] = await this.database.query<Compared>(COMPARE, [JSON.stringify(sent), days]);
    if (!row) throw new Error('a comparison answered nothing');
    return row;
  }

  /** Answers those that were not there. */
  insertNodes(nodes: readonly ImportedNode[]): Promise<{ id: string }[]> {
    return this.database.query(INSERT_NODES, [JSON.stringify(nodes.map(asSentNode))]);
  }

  compareNodes(nodes: readonly ImportedNode[]): Promise<ComparedNode[]> {
    return this.database.query(COMPARE_NODES, [JSON.stringify(nodes.map(asSentNode))]);
  }

  /** Nodes that have one of these ids or names. */
  findNodes(nodes: readonly ImportedNode[]): Promise<{ id: string; name: string }[]> {
    const names = nodes.map(({ registration }) => registration.name);
    return this.database.query(FIND_NODES, [nodes.map(({ id }) => id), names]);
  }

  async hasTenant(id: string): Promise<boolean> {
    return (await this.database.query(FIND_TENANT, [id])).length > 0;
  }

  /** Hashes of what jobs ask for already. */
  async requirements(): Promise<string[]> {
    return (await this.database.query<{ hash: string }>(LIST_REQUIREMENTS)).map(({ hash }) => hash);
  }

  /** @param tenant JSON; answers whether it is new here */
  async keepTenant(id: string, tenant: string): Promise<boolean> {
    const [row] = await this.database.query<{ is_new: boolean }>(INSERT_TENANT, [id, tenant]);
    return row?.is_new === true;
  }
}

function asSent(
  { requirement: _, logs: __, ...job }: ImportedJob,
  ordinal: number,
): Omit<ImportedJob, 'requirement' | 'logs'> & {
  ordinal: number;
} {
  return { ...job, ordinal };
}

function asSentNode({ id, registration, registered_at }: ImportedNode, ordinal: number): object {
  return { ...registration, ordinal, id, registered_at };
}
