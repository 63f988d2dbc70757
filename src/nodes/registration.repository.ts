import { Injectable } from '@nestjs/common';
import { uuidv7 } from 'uuidv7';
import type { Milliseconds } from '../config/durations.js';
import { Database, type Queryable } from '../database/database.js';
import { statement } from '../database/statement.js';
import type { NodeRegistration } from '../protocol/node-registration.js';
import { chooseRecord, type Namesake } from './registration-choice.js';

const LOCK_NODE_NAME = statement(
  'LockNodeName',
  `SELECT pg_advisory_xact_lock(hashtextextended('ffmpeg_master.node ' || $1::text || ' ' || $2::text, 0))`,
);

const LIST_NAMESAKES = statement(
  'ListNamesakes',
  `SELECT n.id, n.name, n.instance_id,
          n.status = 'offline' OR p.seen_at < now() - make_interval(secs => $3::float8 / 1000) AS silent
   FROM ffmpeg_master.nodes n JOIN ffmpeg_master.node_presence p ON p.node_id = n.id
   WHERE n.given_name = $2 AND n.tenant_id = $1
   ORDER BY n.id`,
);

const CAPABILITIES = `address, instance_id, slots, queues, cpu_threads, cpu_model, ram_total_bytes, gpus,
  encoders, engines, ffmpeg_version, labels`;

/** One row of its values, the same in both statements: $1 id, then what the worker sent. */
const SENT = `$2::text, $3::uuid, $4::int, $5::text[], $6::int, $7::text, $8::bigint, $9::jsonb,
  $10::text[], $11::text[], $12::text, $13::jsonb`;

// A drained machine stays drained through its restart: an operator said so, and an operator resumes it.
const RENEW_NODE = statement(
  'RenewNode',
  `WITH renewed AS (
     UPDATE ffmpeg_master.nodes SET (${CAPABILITIES}) = (${SENT}), status = 'online'
     WHERE id = $1::uuid RETURNING id
   )
   UPDATE ffmpeg_master.node_presence p
   SET seen_at = clock_timestamp(), cpu_load_percent = NULL, ram_free_bytes = NULL
   FROM renewed r WHERE p.node_id = r.id
   RETURNING p.node_id AS id`,
);

const CREATE_NODE = statement(
  'CreateNode',
  `WITH created AS (
     INSERT INTO ffmpeg_master.nodes (id, ${CAPABILITIES}, tenant_id, name, given_name)
     VALUES ($1::uuid, ${SENT}, $14::text, $15::text, $16::text)
     ON CONFLICT (tenant_id, name) DO NOTHING
     RETURNING id
   ), counted AS (
     INSERT INTO ffmpeg_master.node_counters (node_id) SELECT id FROM created
   )
   INSERT INTO ffmpeg_master.node_presence (node_id, seen_at)
   SELECT id, clock_timestamp() FROM created
   RETURNING node_id AS id`,
);

export interface Registered {
  id: string;
  created: boolean;
}

@Injectable()
export class RegistrationRepository {
  constructor(private readonly database: Database) {}

  /**
   * Gives the worker its record: `chooseRecord`, between masters. Registrations of one name stand in a
   * queue (an advisory lock that ends with the transaction), so that two instances cannot both take the
   * same silent record, nor a hundred of them race for the next free number.
   *
   * @param silence after which a namesake's record may be taken over
   */
  register(tenant_id: string, sent: NodeRegistration, silence: Milliseconds): Promise<Registered> {
    return this.database.transaction(async (transaction) => {
      await transaction.query(LOCK_NODE_NAME, [tenant_id, sent.name]);
      const namesakes = await transaction.query<Namesake>(LIST_NAMESAKES, [tenant_id, sent.name, silence]);
      const choice = chooseRecord(sent.name, sent.instance_id, namesakes);
      if ('create' in choice) return create(transaction, tenant_id, sent, choice.create);
      const renewed = await transaction.query(RENEW_NODE, [choice.take, ...capabilities(sent)]);
      if (renewed.length > 0) return { id: choice.take, created: false };
      // It was removed between the two statements.
      return create(transaction, tenant_id, sent, [sent.name]);
    });
  }
}

/** A name may still be taken: by a machine that is really called `name-2`. */
async function create(
  transaction: Queryable,
  tenant_id: string,
  sent: NodeRegistration,
  names: Iterable<string>,
): Promise<Registered> {
  const id = uuidv7();
  for (const name of names) {
    const values = [id, ...capabilities(sent), tenant_id, name, sent.name];
    const created = await transaction.query(CREATE_NODE, values);
    if (created.length > 0) return { id, created: true };
  }
  throw new Error(`no name is free for the node ${sent.name}`);
}

function capabilities(sent: NodeRegistration): unknown[] {
  return [
    sent.address ?? '',
    sent.instance_id,
    sent.slots,
    sent.queues ?? [],
    sent.cpu_threads,
    sent.cpu_model,
    sent.ram_total_bytes,
    JSON.stringify(sent.gpus),
    sent.encoders,
    sent.engines,
    sent.ffmpeg_version,
    JSON.stringify(sent.labels),
  ];
}
