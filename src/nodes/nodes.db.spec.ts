import { randomUUID } from 'node:crypto';

import { beforeEach, describe, expect, it } from 'vitest';
import { useDatabase } from '../../test/support/database.js';
import { eventually } from '../../test/support/eventually.js';
import { LocalSignals } from '../../test/support/local-signals.js';
import { ROLE_PERMISSIONS } from '../access/permissions.js';
import type { Principal } from '../access/principal.js';
import { Settings } from '../config/settings.js';
import { DatabaseMetrics } from '../database/database.metrics.js';
import { StatementGroups } from '../database/statement-groups.js';
import { Metrics } from '../metrics/metrics.js';
import type { NodeRegistration } from '../protocol/node-registration.js';
import { NodeDirectory } from './node-directory.js';
import { NodesMetrics } from './nodes.metrics.js';
import { NodesRepository } from './nodes.repository.js';
import { NodesService } from './nodes.service.js';
import { RegistrationRepository } from './registration.repository.js';

const server = useDatabase();
const principal: Principal = {
  tenant_id: 'default',
  actor: 'admin',
  permissions: ROLE_PERMISSIONS.superadmin,
};
const stranger: Principal = { ...principal, tenant_id: 'other' };

let signals: LocalSignals;
let here: Master;
let there: Master;

beforeEach(async () => {
  await server.pool.query(
    'TRUNCATE ffmpeg_master.nodes, ffmpeg_master.node_counters, ffmpeg_master.node_presence',
  );
  signals = new LocalSignals();
  here = master();
  there = master();
});

describe('registration', () => {
  it('makes a node with its narrow rows, and tells the intervals', async () => {
    const { node, created } = await here.service.register(principal, worker('gpu'));
    expect(created).toBe(true);
    expect(node).toMatchObject({
      name: 'gpu',
      status: 'online',
      running: 0,
      slots: 2,
      labels: { zone: 'a' },
      gpus: [{ name: 'T4', memory_bytes: 16e9 }],
      encoders: ['libx264'],
      cpu_load_percent: null,
      heartbeat_interval_seconds: 10,
      lease_seconds: 30,
    });
    expect(Date.now() - Date.parse(node.seen_at)).toBeLessThan(60_000);
    expect(signals.sent).toContain(`node ${node.id}×1`);
  });

  it('gives the same process its node back, with what it has now', async () => {
    const first = worker('gpu');
    const { node } = await here.service.register(principal, first);
    const again = await there.service.register(principal, { ...first, slots: 7, encoders: ['libx265'] });
    expect(again).toMatchObject({ created: false, node: { id: node.id, slots: 7, encoders: ['libx265'] } });
    expect(await count()).toBe(1);
  });

  it('gives a second live instance of a name a node of its own', async () => {
    const { node } = await here.service.register(principal, worker('gpu'));
    const second = await there.service.register(principal, worker('gpu'));
    expect(second).toMatchObject({ created: true, node: { name: 'gpu-2' } });
    expect(second.node.id).not.toBe(node.id);
  });

  it('gives a restarted worker the record of its silent predecessor', async () => {
    const { node } = await here.service.register(principal, worker('gpu'));
    await server.pool.query(`UPDATE ffmpeg_master.node_presence SET seen_at = now() - interval '91 s'`);
    const again = await there.service.register(principal, worker('gpu'));
    expect(again).toMatchObject({ created: false, node: { id: node.id, name: 'gpu' } });
    // Not silent for long enough: a node of its own.
    await server.pool.query(`UPDATE ffmpeg_master.node_presence SET seen_at = now() - interval '80 s'`);
    expect(await here.service.register(principal, worker('gpu'))).toMatchObject({ node: { name: 'gpu-2' } });
  });

  it('gives the record of an offline predecessor, and keeps it draining', async () => {
    const { node } = await here.service.register(principal, worker('gpu'));
    await here.service.setDraining(principal, node.id, true);
    await server.pool.query(`UPDATE ffmpeg_master.nodes SET status = 'offline'`);
    const again = await there.service.register(principal, worker('gpu'));
    expect(again.node).toMatchObject({ id: node.id, status: 'draining' });
  });

  it('steps aside for a machine that is really called so', async () => {
    await here.service.register(principal, worker('gpu-2'));
    await here.service.register(principal, worker('gpu'));
    expect((await here.service.register(principal, worker('gpu'))).node.name).toBe('gpu-3');
    // The silent gpu-2 is not a predecessor of gpu.
    await server.pool.query(`UPDATE ffmpeg_master.nodes SET status = 'offline' WHERE name = 'gpu-2'`);
    expect((await here.service.register(principal, worker('gpu'))).node.name).toBe('gpu-4');
  });

  it('gives thirty instances thirty names, through two masters at once', async () => {
    const registrations = Array.from({ length: 30 }, (_, index) =>
      (index % 2 ? here : there).service.register(principal, worker('gpu')),
    );
    const names = (await Promise.all(registrations)).map(({ node }) => node.name);
    const wanted = ['gpu', ...Array.from({ length: 29 }, (_, index) => `gpu-${index + 2}`)];
    expect(names.sort()).toEqual(wanted.sort());
  });

  it('lets one of two restarted instances take a silent record', async () => {
    const { node } = await here.service.register(principal, worker('gpu'));
    await server.pool.query(`UPDATE ffmpeg_master.nodes SET status = 'offline'`);
    const both = await Promise.all([
      here.service.register(principal, worker('gpu')),
      there.service.register(principal, worker('gpu')),
    ]);
    expect(both.filter((one) => one.node.id === node.id)).toHaveLength(1);
    expect(both.map((one) => one.node.name).sort()).toEqual(['gpu', 'gpu-2']);
  });
});

describe('nodes', () => {
  it('are listed oldest first, page by page, by status', async () => {
    const ids: string[] = [];
    for (const name of ['a', 'b', 'c', 'd', 'e']) {
      ids.push((await here.service.register(principal, worker(name))).node.id);
    }
    const pages: string[][] = [];
    let cursor: string | undefined;
    do {
      const page = await here.service.list(principal, { limit: 2, cursor });
      pages.push(page.items.map((node) => node.id));
      cursor = page.next_cursor ?? undefined;
    } while (cursor);
    expect(pages).toEqual([ids.slice(0, 2), ids.slice(2, 4), ids.slice(4)]);

    await here.service.setDraining(principal, ids[1] ?? '', true);
    await server.pool.query(`UPDATE ffmpeg_master.nodes SET status = 'offline' WHERE name = 'c'`);
    for (const [status, names] of [
      ['online', ['a', 'd', 'e']],
      ['draining', ['b']],
      ['offline', ['c']],
    ] as const) {
      expect((await here.service.list(principal, { status })).items.map((node) => node.name)).toEqual(names);
    }
  });

  it('are not there for another tenant, nor for what is no id', async () => {
    const { node } = await here.service.register(principal, worker('gpu'));
    expect((await here.service.list(stranger, {})).items).toEqual([]);
    for (const [who, id] of [
      [stranger, node.id],
      [principal, randomUUID()],
      [principal, 'gpu'],
    ] as const) {
      await expect(here.service.get(who, id)).rejects.toMatchObject({ status: 404 });
      await expect(here.service.setDraining(who, id, true)).rejects.toMatchObject({ status: 404 });
      await expect(here.service.remove(who, id)).rejects.toMatchObject({ status: 404 });
    }
  });

  it('are removed when idle, and kept with a word while they run something', async () => {
    const { node } = await here.service.register(principal, worker('gpu'));
    await server.pool.query('UPDATE ffmpeg_master.node_counters SET running = 2');
    await expect(here.service.remove(principal, node.id)).rejects.toMatchObject({
      status: 409,
      detail: 'The node runs 2 jobs. Drain it first, then remove it.',
      extras: { running: 2 },
    });
    await server.pool.query('UPDATE ffmpeg_master.node_counters SET running = 0');
    await here.service.remove(principal, node.id);
    await expect(here.service.get(principal, node.id)).rejects.toMatchObject({ status: 404 });
    for (const table of ['nodes', 'node_counters', 'node_presence']) expect(await count(table)).toBe(0);
  });

  it('are kept where a claim was first', async () => {
    const { node } = await here.service.register(principal, worker('gpu'));
    const claim = await server.pool.connect();
    await claim.query('BEGIN');
    await claim.query('UPDATE ffmpeg_master.node_counters SET running = 1');
    const removal = here.service.remove(principal, node.id);
    const outcome = expect(removal).rejects.toMatchObject({ status: 409 });
    await eventually(async () => {
      const waiting = await server.pool.query(`SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock'
        AND datname = current_database()`);
      expect(waiting.rowCount).toBe(1);
    });
    await claim.query('COMMIT');
    claim.release();
    await outcome;
    expect(await count()).toBe(1);
  });
});

describe('the directory', () => {
  it('is changed by this master at once and by another by signal', async () => {
    const { node } = await here.service.register(principal, worker('gpu'));
    expect(here.directory.peek(node.id)).toMatchObject({ name: 'gpu', draining: false });
    await there.service.setDraining(principal, node.id, true);
    await eventually(() => expect(here.directory.peek(node.id)?.draining).toBe(true));
    await there.service.remove(principal, node.id);
    await eventually(() => expect(here.directory.peek(node.id)).toBeUndefined());
  });

  it('finds at the resync what a lost signal would have told, whoever changed it', async () => {
    const { node } = await here.service.register(principal, worker('gpu'));
    const { node: gone } = await here.service.register(principal, worker('old'));
    await here.directory.sync();
    signals.lost = true;
    await server.pool.query(`UPDATE ffmpeg_master.nodes SET status = 'offline' WHERE name = 'gpu'`);
    await there.service.remove(principal, gone.id);
    const { node: added } = await there.service.register(principal, worker('new'));
    expect(here.directory.all()).toHaveLength(2);
    signals.resync();
    await here.directory.sync();
    expect(here.directory.all().map(({ id }) => id)).toEqual([added.id]);
    expect(here.directory.peek(node.id)?.status).toBe('offline');
  });

  it('reads what it does not know, and knows nothing of strangers', async () => {
    signals.lost = true;
    const { node } = await there.service.register(principal, worker('gpu'));
    expect(here.directory.peek(node.id)).toBeUndefined();
    const found = await Promise.all([here.directory.get(node.id), here.directory.get(randomUUID())]);
    expect(found.map((row) => row?.name)).toEqual(['gpu', undefined]);
    expect(here.directory.peek(node.id)?.name).toBe('gpu');
  });

  it('brings an offline node back when it is heard again', async () => {
    const { node } = await here.service.register(principal, worker('gpu'));
    await here.service.revive([node.id]);
    await server.pool.query(`UPDATE ffmpeg_master.nodes SET status = 'offline'`);
    await here.directory.sync();
    expect(here.directory.all()).toEqual([]);
    await here.service.revive([node.id]);
    expect(here.directory.all()).toHaveLength(1);
    await eventually(() => expect(there.directory.peek(node.id)?.status).toBe('online'));
  });
});

interface Master {
  service: NodesService;
  directory: NodeDirectory;
}

function master(): Master {
  const nodes = new NodesRepository(server.database);
  const groups = new StatementGroups(server.database, new DatabaseMetrics(new Metrics().registry));
  const directory = new NodeDirectory(nodes, signals, groups);
  directory.onModuleInit();
  const registrations = new RegistrationRepository(server.database);
  const metrics = new NodesMetrics(new Metrics());
  const service = new NodesService(nodes, registrations, directory, signals, metrics, new Settings());
  return { service, directory };
}

function worker(name: string): NodeRegistration {
  return {
    name,
    instance_id: randomUUID(),
    slots: 2,
    cpu_threads: 8,
    cpu_model: 'Ryzen',
    ram_total_bytes: 64e9,
    gpus: [{ name: 'T4', memory_bytes: 16e9 }],
    encoders: ['libx264'],
    engines: ['ffmpeg'],
    ffmpeg_version: '7.1',
    labels: { zone: 'a' },
  };
}

async function count(table = 'nodes'): Promise<number> {
  const { rows } = await server.pool.query(`SELECT count(*)::int AS rows FROM ffmpeg_master.${table}`);
  return rows[0].rows;
}
