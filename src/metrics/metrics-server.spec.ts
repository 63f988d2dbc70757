import { Registry } from 'prom-client';
import { afterEach, describe, expect, it } from 'vitest';
import { Metrics } from './metrics.js';
import { MetricsServer, type MetricsServerOptions } from './metrics-server.js';

const servers: MetricsServer[] = [];
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.stop()));
});

function serverWith(options: Partial<MetricsServerOptions> = {}): MetricsServer {
  const server = new MetricsServer({
    registry: new Registry(),
    health: () => ({ status: 'healthy' }),
    port: 0,
    host: '127.0.0.1',
    ...options,
  });
  servers.push(server);
  return server;
}

async function get(port: number, path: string, method = 'GET') {
  const response = await fetch(`http://127.0.0.1:${port}${path}`, { method });
  return { status: response.status, type: response.headers.get('content-type'), body: await response.text() };
}

describe('MetricsServer', () => {
  it('serves the registry and the health', async () => {
    const metrics = new Metrics();
    metrics.counter({ name: 'ffrtmp_x_total', help: 'x' }).inc();
    const health = async () => ({ status: 'healthy', database: 'down' });
    const port = await serverWith({ registry: metrics.registry, health }).start();
    expect(await get(port, '/metrics?x=1')).toMatchObject({
      status: 200,
      type: metrics.registry.contentType,
      body: expect.stringContaining('ffrtmp_x_total 1\n'),
    });
    expect(await get(port, '/health')).toEqual({
      status: 200,
      type: 'application/json; charset=utf-8',
      body: '{"status":"healthy","database":"down"}',
    });
  });

  it('serves nothing else', async () => {
    const port = await serverWith().start();
    expect((await get(port, '/')).status).toBe(404);
    expect((await get(port, '/metrics', 'POST')).status).toBe(405);
    expect(await get(port, '/health', 'HEAD')).toMatchObject({ status: 200, body: '' });
  });

  it('answers 500 where a figure cannot be read, and goes on', async () => {
    let broken = true;
    const health = () => {
      if (broken) throw new Error('secret detail');
      return {};
    };
    const port = await serverWith({ health }).start();
    expect(await get(port, '/health')).toMatchObject({
      status: 500,
      body: 'the figures could not be read\n',
    });
    broken = false;
    expect((await get(port, '/health')).status).toBe(200);
  });

  it('says what to do where the port is taken', async () => {
    const port = await serverWith().start();
    await expect(serverWith({ port, setting: 'worker.metrics_port' }).start()).rejects.toThrow(
      `port ${port} is taken by another program: stop it, or choose another port with worker.metrics_port`,
    );
  });

  it('stops at once with an idle connection open, and may stop before it started', async () => {
    const server = serverWith();
    const port = await server.start();
    await get(port, '/health');
    await server.stop();
    await expect(get(port, '/health')).rejects.toThrow();
    await serverWith().stop();
  });
});
