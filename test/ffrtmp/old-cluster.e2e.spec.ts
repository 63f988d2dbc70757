/** A fleet of ffmpeg-rtmp, unchanged, at two of our masters behind a balancer: agents and CLI are doubles of the contract. */
import { setTimeout as wait } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Cluster } from '../e2e/support/cluster.js';
import { KEY } from '../e2e/support/master-process.js';
import { run } from '../e2e/support/program.js';
import { eventually } from '../support/eventually.js';
import { GoAgent } from './go-agent.js';
import type { OldJob } from './go-decoder.js';
import { OldCli } from './old-cli.js';
import { TcpBalancer } from './tcp-balancer.js';

let cluster: Cluster;
let balancer: TcpBalancer;
let cli: OldCli;
const agents: GoAgent[] = [];

beforeAll(async () => {
  cluster = await Cluster.start({ masters: 2, env: { RETRY_INITIAL_BACKOFF: '100ms' } });
  balancer = await TcpBalancer.start(cluster.masters.map(({ url }) => url));
  cli = new OldCli(balancer.url, KEY);
  for (let n = 0; n < 4; n += 1) {
    const agent = new GoAgent({
      url: balancer.url,
      key: KEY,
      address: `encoder-${n}`,
      hasGpu: n === 0,
      work,
    });
    await agent.start();
    agents.push(agent);
  }
});

afterAll(async () => {
  await Promise.all(agents.map((agent) => agent.stop()));
  cli.close();
  await balancer.stop();
  await cluster.stop();
});

/** `long` works until it is stopped, `poor` fails; others take no time and log as much as they are told. */
async function work(job: OldJob, signal: AbortSignal): Promise<{ error?: string; logs: string }> {
  if (job.scenario === 'long') await wait(60_000, undefined, { signal }).catch(() => undefined);
  const log = `job ${job.sequence_number}\0\n`.padEnd(Number(job.parameters?.['log_bytes'] ?? 100), 'x');
  return { logs: log, ...(job.scenario === 'poor' && { error: 'it broke' }) };
}

const ended = (id: string, status: string) =>
  eventually(async () => expect((await cli.job(id)).status).toBe(status), { within: 30_000, every: 50 });

describe('a fleet of ffmpeg-rtmp', () => {
  it('runs all that is submitted once, with a master killed under it', async () => {
    const ids: string[] = [];
    const submit = async (n: number): Promise<void> =>
      void ids.push(
        (
          await cli.submit({
            scenario: `clip ${n}`,
            parameters: { bitrate: '2000k', log_bytes: n % 10 === 0 ? 3_000_000 : 100 },
          })
        ).id,
      );
    // Enough that some wait still when the victim has gone.
    for (let n = 0; n < 200; n += 1) await submit(n);
    await eventually(() => expect(agents.flatMap(({ given }) => given).length).toBeGreaterThan(15), {
      within: 30_000,
    });
    const [victim, survivor] = cluster.masters;
    victim?.program.child.kill('SIGKILL');
    expect(await victim?.program.exit()).toBeNull();
    expect(victim?.program.child.signalCode).toBe('SIGKILL');
    expect((await cli.jobs()).filter(({ status }) => status === 'pending').length).toBeGreaterThan(0);
    for (const id of ids) await ended(id, 'completed');
    expect(survivor?.program.running).toBe(true);

    const runs = agents.flatMap(({ given }) => given);
    expect(runs.slice().sort()).toEqual(ids.slice().sort());
    expect(agents.flatMap(({ failures }) => failures)).toEqual([]);
    const { rows } = await cluster.pool.query<{ n: number }>(
      `SELECT count(*)::int AS n FROM ffmpeg_master.job_events WHERE type = 'completed' GROUP BY job_id`,
    );
    expect(rows.map(({ n }) => n)).toEqual(ids.map(() => 1));
    expect((await cli.logs(ids[10] as string)).length).toBe(3_000_000);
    expect(await cli.logs(ids[0] as string)).toMatch(/^job 1\ufffd\n/);
    const verified = await run(['verify'], { DATABASE_DSN: cluster.postgres.dsn, MASTER_API_KEY: KEY });
    expect(verified, verified.output).toMatchObject({ status: 0 });
  });

  it('stops what is canceled, and leaves it canceled though its agent says failed', async () => {
    const { id, sequence_number } = await cli.submit({ scenario: 'long' });
    await ended(id, 'processing');
    const { node_id = '' } = await cli.job(id);
    expect(await cli.node(node_id)).toMatchObject({ status: 'busy', current_job_id: id });
    await expect(cli.removeNode(node_id)).rejects.toThrow(
      'status 400: Cannot remove node while it is processing a job',
    );
    await cli.change(String(sequence_number), 'cancel');
    expect((await cli.job(id)).status).toBe('canceled');
    const agent = agents.find(({ nodeId }) => nodeId === node_id);
    // It heard, stopped and reported: long before the lease of 90 s ends, which it would hold else.
    await eventually(
      async () => {
        const { rowCount } = await cluster.pool.query('SELECT FROM ffmpeg_master.leases WHERE job_id = $1', [
          id,
        ]);
        expect(rowCount).toBe(0);
      },
      { within: 20_000 },
    );
    expect((await cli.job(id)).status).toBe('canceled');
    expect(agent?.failures).toEqual([]);
    await expect(cli.change(id, 'pause')).rejects.toThrow(
      'status 400: Failed to pause job: cannot pause job in status: canceled',
    );
    await cli.change(id, 'retry');
    await ended(id, 'processing');
    await cli.change(id, 'cancel');
  });

  it('holds back what is paused until it is resumed, and gives what needs a GPU to the node that has one', async () => {
    // The one with a GPU has its hands full, so that the next one waits.
    const gpu = { parameters: { codec: 'h264_nvenc' } };
    const busy = await cli.submit({ scenario: 'long', ...gpu });
    await ended(busy.id, 'processing');
    const held = await cli.submit({ scenario: 'held', ...gpu });
    await cli.change(held.id, 'pause');
    expect((await cli.job(held.id)).status).toBe('paused');
    const follower = await cli.submit({ scenario: 'behind it', ...gpu });
    await cli.change(busy.id, 'cancel');
    await ended(follower.id, 'completed');
    expect((await cli.job(held.id)).status).toBe('paused');
    await cli.change(held.id, 'resume');
    await ended(held.id, 'completed');
    for (const { id } of [busy, held, follower]) expect((await cli.job(id)).node_name).toBe('encoder-0');
  });

  it('tries again what fails, and as often as it is asked', async () => {
    const { id } = await cli.submit({ scenario: 'poor' });
    await ended(id, 'failed');
    const failed = await cli.job(id);
    expect(failed).toMatchObject({ error: 'it broke', retry_count: 3 });
    expect(failed.state_transitions?.at(-1)).toMatchObject({ to: 'failed' });
    await cli.change(id, 'retry');
    await eventually(async () => expect((await cli.job(id)).retry_count).toBeGreaterThan(3), {
      within: 20_000,
    });
    await expect(cli.change('999999', 'cancel')).rejects.toThrow('status 404: Job not found');
  });

  it('lists its nodes, and lets one go that is idle', async () => {
    const nodes = await cli.nodes();
    expect(nodes.map(({ name }) => name).sort()).toEqual([
      'encoder-0',
      'encoder-1',
      'encoder-2',
      'encoder-3',
    ]);
    const [agent] = agents.splice(3, 1);
    await agent?.stop();
    await eventually(() => cli.removeNode(agent?.nodeId ?? ''), { within: 20_000 });
    await expect(cli.node(agent?.nodeId ?? '')).rejects.toThrow('status 404: Node not found');
  });
});
