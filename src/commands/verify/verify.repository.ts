/**
 * The invariants of docs/test-plan.md as SQL: one statement each, which answers what breaks it.
 *
 * Those over the event log read a range of job ids on given days, so that each statement is an index scan
 * of bounded length and no snapshot grows old while a big database is checked. `$1` are the days, `$2`
 * and `$3` the range (above, up to). A job's events before these days are not seen: no statement calls
 * that a fault.
 */
import type { Queryable } from '../../database/database.js';
import { type Statement, statement } from '../../database/statement.js';

export interface Violation {
  /** A job's id, a node's id, a queue, or `leadership`. */
  readonly subject: string;
  readonly detail: string;
}

/** Job ids, the first exclusive. */
export interface JobRange {
  readonly days: readonly string[];
  readonly above: string;
  readonly upTo: string;
}

const EVENTS = `ffmpeg_master.job_events e
  WHERE e.day = ANY($1::date[]) AND e.job_id > $2::uuid AND e.job_id <= $3::uuid`;

/** Jobs of the range that live or were archived on these days. */
const JOBS = `(
    SELECT id, status, max_retries, run_at, event_count, lease_token
    FROM ffmpeg_master.jobs WHERE id > $2::uuid AND id <= $3::uuid
    UNION ALL
    SELECT id, status, max_retries, run_at, event_count, NULL
    FROM ffmpeg_master.job_history
    WHERE archived_on = ANY($1::date[]) AND id > $2::uuid AND id <= $3::uuid
  )`;

/** An attempt ends where its job leaves these two states. */
const ENDING = `e.from_status IN ('assigned', 'running') AND e.to_status NOT IN ('assigned', 'running')`;

const DAYS = statement(
  'VerifyDays',
  `SELECT to_char(day, 'YYYY-MM-DD') AS day
   FROM generate_series((now() AT TIME ZONE 'UTC' - make_interval(secs => $1))::date,
                        (now() AT TIME ZONE 'UTC')::date + 1, interval '1 day') AS day`,
);

const NEXT_RANGE = statement(
  'VerifyNextRange',
  `SELECT first.job_id::text
   FROM unnest($1::date[]) AS d(day)
   CROSS JOIN LATERAL (
     SELECT e.job_id FROM ffmpeg_master.job_events e
     WHERE e.day = d.day AND e.job_id > $2::uuid
     ORDER BY e.job_id LIMIT $3
   ) AS first
   ORDER BY first.job_id OFFSET $3 - 1 LIMIT 1`,
  { prepared: false },
);

const I1 = inRange(
  'VerifyI1',
  `SELECT e.job_id::text AS subject, 'was submitted or imported, but is neither live nor in history' AS detail
   FROM ${EVENTS} AND e.type IN ('submitted', 'imported') AND NOT EXISTS (SELECT FROM ${JOBS} AS j WHERE j.id = e.job_id)`,
);

/**
 * Live jobs that nothing will move any more. Masters that are away delay every job, so a job counts as
 * overdue only where they were there for a while.
 */
const I1_STUCK = wholeDatabase(
  'VerifyI1Stuck',
  `SELECT j.id::text AS subject, 'is ' || j.status || ' without a lease: nobody will end it' AS detail
   FROM ffmpeg_master.jobs j
   LEFT JOIN ffmpeg_master.leases l ON l.lease_token = j.lease_token AND l.job_id = j.id AND NOT l.revoked
   WHERE j.status IN ('assigned', 'running') AND l.lease_token IS NULL
   UNION ALL
   SELECT j.id::text, 'is ' || j.status || ' and was due at ' || j.due_at || ', but was not promoted'
   FROM ffmpeg_master.jobs j CROSS JOIN ffmpeg_master.cluster_presence c
   WHERE j.due_at < c.last_seen_at - interval '1 minute'
     AND coalesce(c.outage_ended_at, '-infinity') < now() - interval '2 minutes'
   UNION ALL
   SELECT j.id::text, 'is retrying without a time to retry at'
   FROM ffmpeg_master.jobs j WHERE j.status = 'retrying' AND j.due_at IS NULL
   UNION ALL
   SELECT l.job_id::text, 'has a lease that expired at ' || l.expires_at || ' and was not taken back'
   FROM ffmpeg_master.leases l CROSS JOIN ffmpeg_master.cluster_presence c
   WHERE l.expires_at < c.last_seen_at - interval '5 minutes'
     AND coalesce(c.outage_ended_at, '-infinity') < now() - interval '15 minutes'`,
);

const I2 = inRange(
  'VerifyI2',
  `SELECT t.job_id::text AS subject,
          format('attempt %s has lease token %s after %s', t.attempt, coalesce(t.lease_token::text, 'none'), t.before) AS detail
   FROM (SELECT e.job_id, e.attempt, e.lease_token,
                max(e.lease_token) OVER (PARTITION BY e.job_id ORDER BY e.n
                                         ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before
         FROM ${EVENTS} AND e.type = 'assigned') AS t
   WHERE t.lease_token IS NULL OR t.lease_token <= t.before`,
);

const I2_LEASES = wholeDatabase(
  'VerifyI2Leases',
  `SELECT job_id::text AS subject, format('has %s unexpired leases at once', count(*)) AS detail
   FROM ffmpeg_master.leases
   WHERE NOT revoked AND expires_at > now()
   GROUP BY job_id HAVING count(*) > 1`,
);

const I4 = wholeDatabase(
  'VerifyI4',
  `SELECT 'leadership' AS subject, format('epoch %s began before epoch %s', t.epoch, t.earlier) AS detail
   FROM (SELECT epoch, since, lag(epoch) OVER by_epoch AS earlier, lag(since) OVER by_epoch AS earlier_since
         FROM ffmpeg_master.leadership_terms WINDOW by_epoch AS (ORDER BY epoch)) t
   WHERE t.since < t.earlier_since
   UNION ALL
   SELECT 'leadership', format('the present epoch is %s, but the last term was %s', l.epoch, t.epoch)
   FROM ffmpeg_master.leadership l
   CROSS JOIN (SELECT coalesce(max(epoch), 0) AS epoch FROM ffmpeg_master.leadership_terms) t
   WHERE l.epoch <> t.epoch
   UNION ALL
   SELECT 'leadership', 'there are ' || count(*) || ' rows instead of one'
   FROM ffmpeg_master.leadership HAVING count(*) <> 1`,
);

/** What a leader wrote after the next term had begun: the fence must have refused it. */
const I4_WRITES = inRange(
  'VerifyI4Writes',
  `SELECT e.job_id::text AS subject,
          format('event %s was written by %s at %s, after the next term had begun', e.n, e.actor, e.at) AS detail
   FROM ${EVENTS} AND e.actor LIKE 'leader/%'
     AND EXISTS (SELECT FROM ffmpeg_master.leadership_terms t
                 WHERE t.epoch > split_part(e.actor, '/', 2)::bigint AND t.since < e.at)`,
);

/** `$5`: the legal steps, as `from>to:event`, nothing standing for no state. */
const I5 = inRange(
  'VerifyI5',
  `SELECT t.job_id::text AS subject,
          format('event %s: %s from %s to %s%s', t.n, t.type, coalesce(t.from_status, 'nothing'), t.to_status,
                 CASE WHEN t.follows AND t.before IS DISTINCT FROM t.from_status
                      THEN ', but the job was ' || t.before ELSE ' is no legal step' END) AS detail
   FROM (SELECT e.job_id, e.n, e.type, e.from_status, e.to_status,
                lag(e.to_status) OVER of_job AS before, lag(e.n) OVER of_job = e.n - 1 AS follows
         FROM ${EVENTS} WINDOW of_job AS (PARTITION BY e.job_id ORDER BY e.n)) AS t
   WHERE coalesce(t.from_status, '') || '>' || t.to_status || ':' || t.type NOT IN (SELECT unnest($5::text[]))
      OR (t.n = 1) <> (t.from_status IS NULL)
      OR (t.follows AND t.before IS DISTINCT FROM t.from_status)`,
);

/** A job rests in the state that its last event names. */
const I5_STATE = inRange(
  'VerifyI5State',
  `SELECT j.id::text AS subject, format('is %s, but its last event says %s', j.status, e.to_status) AS detail
   FROM ffmpeg_master.job_events e JOIN ${JOBS} AS j ON j.id = e.job_id AND j.event_count = e.n
   WHERE e.day = ANY($1::date[]) AND e.job_id > $2::uuid AND e.job_id <= $3::uuid
     AND e.to_status <> j.status`,
);

const I6_ATTEMPTS = inRange(
  'VerifyI6Attempts',
  `SELECT t.job_id::text AS subject,
          format('%s attempts ended since its submission or last retry, with max_retries %s', count(*), j.max_retries) AS detail
   FROM (SELECT e.job_id, e.type, ${ENDING} AS ending,
                count(*) FILTER (WHERE e.type IN ('submitted', 'retried'))
                  OVER (PARTITION BY e.job_id ORDER BY e.n) AS life
         FROM ${EVENTS}) AS t
   JOIN ${JOBS} AS j ON j.id = t.job_id
   WHERE t.ending AND t.type <> 'released'
   GROUP BY t.job_id, t.life, j.max_retries HAVING count(*) > j.max_retries + 1`,
);

const I6_RELEASES = inRange(
  'VerifyI6Releases',
  `SELECT t.job_id::text AS subject, format('was released %s times in a row', count(*)) AS detail
   FROM (SELECT e.job_id, e.type,
                count(*) FILTER (WHERE e.type <> 'released' OR e.type IN ('submitted', 'retried'))
                  OVER (PARTITION BY e.job_id ORDER BY e.n) AS stretch
         FROM ${EVENTS} AND (e.type IN ('submitted', 'retried') OR ${ENDING})) AS t
   WHERE t.type = 'released'
   GROUP BY t.job_id, t.stretch HAVING count(*) > 20`,
);

const I6_ENDINGS = inRange(
  'VerifyI6Endings',
  `SELECT t.job_id::text AS subject,
          format('the attempt with lease token %s has %s endings', t.lease_token, t.endings) AS detail
   FROM (SELECT e.job_id, e.lease_token, count(*) FILTER (WHERE e.type = 'assigned') AS beginnings,
                count(*) FILTER (WHERE ${ENDING}) AS endings
         FROM ${EVENTS} AND (e.type = 'assigned' OR ${ENDING})
         GROUP BY e.job_id, e.lease_token) AS t
   LEFT JOIN ffmpeg_master.jobs j
     ON j.id = t.job_id AND j.lease_token = t.lease_token AND j.status IN ('assigned', 'running')
   WHERE t.endings > 1 OR (t.beginnings > 0 AND t.endings = 0 AND j.id IS NULL)
      OR (t.endings > 0 AND j.id IS NOT NULL)`,
);

const I7_NODES = wholeDatabase(
  'VerifyI7Nodes',
  `SELECT coalesce(c.node_id, l.node_id)::text AS subject,
          format('its counter says %s attempts, there are %s leases, and it has %s slots',
                 coalesce(c.running, 0), coalesce(l.leases, 0), coalesce(n.slots::text, 'no')) AS detail
   FROM ffmpeg_master.node_counters c
   FULL JOIN (SELECT node_id, count(*)::integer AS leases FROM ffmpeg_master.leases GROUP BY node_id) AS l
     ON l.node_id = c.node_id
   LEFT JOIN ffmpeg_master.nodes n ON n.id = coalesce(c.node_id, l.node_id)
   WHERE coalesce(c.running, 0) <> coalesce(l.leases, 0) OR coalesce(c.running, 0) > n.slots`,
);

const I7_QUEUES = wholeDatabase(
  'VerifyI7Queues',
  `SELECT q.name AS subject,
          format('its counter says %s attempts, there are %s leases, and max_running is %s',
                 coalesce(c.running::text, 'nothing of'), coalesce(l.leases, 0), coalesce(q.max_running::text, 'not set')) AS detail
   FROM ffmpeg_master.queues q
   LEFT JOIN ffmpeg_master.queue_counters c ON c.queue = q.name
   LEFT JOIN (SELECT queue, count(*)::integer AS leases FROM ffmpeg_master.leases GROUP BY queue) AS l ON l.queue = q.name
   WHERE (c.queue IS NOT NULL AND c.running <> coalesce(l.leases, 0))
      OR (q.max_running IS NOT NULL AND (c.queue IS NULL OR c.running > q.max_running))`,
);

/**
 * A claim bears the time at which its statement began, and may then have waited, for a processor if nothing else, until
 * its job was promoted (by 8 ms on a busy machine): with a promotion before it, it is that one's time that counts.
 */
const I8 = inRange(
  'VerifyI8',
  `SELECT t.job_id::text AS subject, format('was promoted %s times without a claim between', count(*)) AS detail
   FROM (SELECT e.job_id, e.type,
                count(*) FILTER (WHERE e.type IN ('submitted', 'retried', 'retrying', 'assigned'))
                  OVER (PARTITION BY e.job_id ORDER BY e.n) AS stretch
         FROM ${EVENTS}) AS t
   WHERE t.type = 'promoted'
   GROUP BY t.job_id, t.stretch HAVING count(*) > 1
   UNION ALL
   SELECT e.job_id::text, format('was %s at %s, before its run_at %s', e.type, e.at, j.run_at)
   FROM ffmpeg_master.job_events e JOIN ${JOBS} AS j ON j.id = e.job_id
   WHERE e.day = ANY($1::date[]) AND e.job_id > $2::uuid AND e.job_id <= $3::uuid
     AND e.type IN ('promoted', 'assigned') AND e.at < j.run_at
     AND NOT (e.type = 'assigned' AND EXISTS (
       SELECT FROM ffmpeg_master.job_events p
       WHERE p.day = ANY($1::date[]) AND p.job_id = e.job_id AND p.n < e.n AND p.type = 'promoted'))`,
);

const I10 = inRange(
  'VerifyI10',
  `SELECT t.job_id::text AS subject,
          CASE WHEN t.events <> t.last - t.first + 1 OR t.events <> t.numbers
               THEN format('%s events bear the numbers %s to %s', t.events, t.first, t.last)
               WHEN t.submitted AND t.first <> 1 THEN format('its events begin with number %s', t.first)
               WHEN NOT t.in_order THEN 'its events were written in another order than they are numbered'
               ELSE format('its last event is number %s, but the job counts %s', t.last, j.event_count) END AS detail
   FROM (SELECT o.job_id, count(*) AS events, count(DISTINCT o.n) AS numbers, min(o.n) AS first, max(o.n) AS last,
                bool_or(o.type IN ('submitted', 'imported')) AS submitted, bool_and(o.in_order) AS in_order
         FROM (SELECT e.job_id, e.n, e.type,
                      e.id > coalesce(lag(e.id) OVER (PARTITION BY e.job_id, e.generation ORDER BY e.n), 0) AS in_order
               FROM ${EVENTS}) AS o
         GROUP BY o.job_id) AS t
   LEFT JOIN ${JOBS} AS j ON j.id = t.job_id
   WHERE t.events <> t.last - t.first + 1 OR t.events <> t.numbers
      OR (t.submitted AND t.first <> 1) OR NOT t.in_order OR t.last <> j.event_count`,
);

/** What `verify` runs, in this order; each invariant may need several looks. */
export const INVARIANTS: readonly {
  readonly id: string;
  readonly promise: string;
  readonly looks: readonly Look[];
}[] = [
  { id: 'I1', promise: 'no job is lost', looks: [I1, I1_STUCK] },
  { id: 'I2', promise: 'no job is claimed twice', looks: [I2, I2_LEASES] },
  { id: 'I4', promise: 'one leader an epoch', looks: [I4, I4_WRITES] },
  { id: 'I5', promise: 'only legal steps', looks: [I5, I5_STATE] },
  {
    id: 'I6',
    promise: 'attempts are bounded, each ends once',
    looks: [I6_ATTEMPTS, I6_RELEASES, I6_ENDINGS],
  },
  { id: 'I7', promise: 'limits are kept', looks: [I7_NODES, I7_QUEUES] },
  { id: 'I8', promise: 'run_at is promoted once, and in time', looks: [I8] },
  { id: 'I10', promise: 'events without a gap', looks: [I10] },
];

export interface Look {
  readonly statement: Statement;
  /** True: it reads a range of jobs, false: the whole of small tables. */
  readonly ranged: boolean;
}

export class VerifyRepository {
  constructor(private readonly database: Queryable) {}

  /** From so many seconds ago to tomorrow: a master's midnight may come before ours. */
  async days(sinceSeconds: number): Promise<string[]> {
    return (await this.database.query<{ day: string }>(DAYS, [sinceSeconds])).map(({ day }) => day);
  }

  /** The end of a range of at least `events` events above a job id; undefined: that many are not left. */
  async endOfRange(days: readonly string[], above: string, events: number): Promise<string | undefined> {
    const [row] = await this.database.query<{ job_id: string }>(NEXT_RANGE, [days, above, events]);
    return row?.job_id;
  }

  /** At most `limit` violations. */
  violations(
    look: Look,
    range: JobRange,
    limit: number,
    legalSteps: readonly string[],
  ): Promise<Violation[]> {
    const values: unknown[] = look.ranged ? [range.days, range.above, range.upTo, limit] : [limit];
    if (look.statement === I5.statement) values.push(legalSteps);
    return this.database.query<Violation>(look.statement, values);
  }
}

function inRange(name: string, sql: string): Look {
  return { statement: statement(name, `${sql}\n   LIMIT $4`, { prepared: false }), ranged: true };
}

function wholeDatabase(name: string, sql: string): Look {
  return { statement: statement(name, `SELECT * FROM (${sql}) AS found LIMIT $1`), ranged: false };
}
