/**
 * Looks at the cluster while faults happen: at committed instants of the database (whose limits hold at each of them)
 * and at who says that it leads.
 */
import { setTimeout as pause } from 'node:timers/promises';
import pg from 'pg';
import type { DatabaseUnderTest } from './database-under-test.js';
import type { History } from './history.js';
import type { Master } from './master.js';

const EVERY = 100;

/** One statement sees one committed instant. Revoked leases count: their slots are not free before their end. */
const INSTANT = `
  SELECT coalesce((SELECT json_agg(n) FROM (
           SELECT l.node_id, count(*)::int AS running, coalesce(n.slots, 0) AS slots
           FROM ffmpeg_master.leases l LEFT JOIN ffmpeg_master.nodes n ON n.id = l.node_id
           GROUP BY l.node_id, n.slots) n), '[]') AS nodes,
         coalesce((SELECT json_agg(q) FROM (
           SELECT q.name AS queue, count(j.id)::int AS running, q.max_running
           FROM ffmpeg_master.queues q
           LEFT JOIN ffmpeg_master.jobs j ON j.queue = q.name AND j.status IN ('assigned', 'running')
           WHERE q.max_running IS NOT NULL GROUP BY q.name) q), '[]') AS queues,
         coalesce((SELECT json_agg(job_id) FROM (
           SELECT job_id FROM ffmpeg_master.leases
           WHERE NOT revoked AND expires_at > clock_timestamp() GROUP BY job_id HAVING count(*) > 1) d), '[]') AS doubled`;

export class Observer {
  /** How many instants were seen. */
  instants = 0;
  private over = false;
  private readonly watching: Promise<unknown>;

  constructor(
    private readonly database: DatabaseUnderTest,
    private readonly masters: () => readonly Master[],
    private readonly history: History,
  ) {
    this.watching = Promise.all([this.watchInstants(), this.watchLeaders()]);
  }

  async stop(): Promise<void> {
    this.over = true;
    await this.watching;
  }

  private async watchInstants(): Promise<void> {
    let turn = 0;
    while (!this.over) {
      const hosts = this.database.direct;
      const host = hosts[turn % hosts.length];
      const client = new pg.Client({
        connectionString: this.database.adminDsn(host ? [host] : []),
        connectionTimeoutMillis: 1000,
        query_timeout: 2000,
      });
      client.on('error', () => undefined);
      try {
        await client.connect();
        const { rows } = await client.query<{ standby: boolean }>('SELECT pg_is_in_recovery() AS standby');
        if (rows[0]?.standby === true) turn += 1;
        else while (!this.over) await this.look(client);
      } catch {
        // The database is away, or has moved: that is what such tests are about.
        turn += 1;
      } finally {
        void client.end().catch(() => undefined);
      }
      await pause(EVERY);
    }
  }

  private async look(client: pg.Client): Promise<void> {
    const begin = performance.now();
    const { rows } = await client.query<{ nodes: []; queues: []; doubled: string[] }>(INSTANT);
    const [seen] = rows;
    if (seen) {
      this.instants += 1;
      this.history.add({ kind: 'instant', by: 'observer', begin, end: performance.now(), ...seen });
    }
    await pause(EVERY);
  }

  private async watchLeaders(): Promise<void> {
    while (!this.over) {
      await Promise.all(
        this.masters()
          .filter(({ running }) => running)
          .map((master) => this.ask(master)),
      );
      await pause(5 * EVERY);
    }
  }

  private async ask(master: Master): Promise<void> {
    const begin = performance.now();
    const epoch = await master.metric('ffrtmp_leader_epoch').catch(() => 0);
    if (epoch === 0) return;
    const { url } = master;
    this.history.add({ kind: 'leading', by: 'observer', begin, end: performance.now(), master: url, epoch });
  }
}
