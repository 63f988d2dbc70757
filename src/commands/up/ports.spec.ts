import { createServer } from 'node:net';
import { describe, expect, it } from 'vitest';
import { HIGHEST_PORT, MOST_MASTERS, MOST_WORKERS, portsFrom, refuseTakenPorts } from './ports.js';

describe('ports of a local cluster', () => {
  it('begin at 8080, 9090 and 9191, and move as one', () => {
    expect(portsFrom(8080, 3, 2)).toEqual({
      api: [8080, 8081, 8082],
      metrics: [9090, 9091, 9092],
      workerMetrics: [9191, 9192],
    });
    expect(portsFrom(18_080, 1, 1)).toEqual({ api: [18_080], metrics: [19_090], workerMetrics: [19_191] });
  });

  it('never meet, nor leave the range of ports', () => {
    const { api, metrics, workerMetrics } = portsFrom(HIGHEST_PORT, MOST_MASTERS, MOST_WORKERS);
    const all = [...api, ...metrics, ...workerMetrics];
    expect(new Set(all).size).toBe(all.length);
    expect(Math.max(...all)).toBeLessThanOrEqual(65_535);
  });

  it('that are taken are named, with a way out that works', async () => {
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    const { port } = other.address() as { port: number };
    try {
      const ports = { api: [port], metrics: [], workerMetrics: [] };
      await expect(refuseTakenPorts(ports)).rejects.toThrow(
        new RegExp(
          `^port ${port} is taken by another program; move all ports of the cluster with --port, such as --port \\d+$`,
        ),
      );
    } finally {
      other.close();
    }
    await expect(refuseTakenPorts({ api: [], metrics: [], workerMetrics: [] })).resolves.toBeUndefined();
  });
});
