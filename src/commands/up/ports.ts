/** Which ports a local cluster takes: from 8080, 9090 and 9191 on, moved as a whole by `--port`. */
import { createServer } from 'node:net';
import { Failure } from '../failures.js';

export interface ClusterPorts {
  /** One a master. */
  readonly api: readonly number[];
  readonly metrics: readonly number[];
  /** One a worker. */
  readonly workerMetrics: readonly number[];
}

/** 8080… and with it 9090… and 9191…, which Prometheus files around the world name. */
export const DEFAULT_PORT = 8080;
const METRICS_ABOVE = 9090 - DEFAULT_PORT;
const WORKER_METRICS_ABOVE = 9191 - DEFAULT_PORT;

/** More would let the three runs of ports meet. */
export const MOST_MASTERS = 100;
export const MOST_WORKERS = 100;
export const HIGHEST_PORT = 65_535 - WORKER_METRICS_ABOVE - MOST_WORKERS;

export function portsFrom(port: number, masters: number, workers: number): ClusterPorts {
  return {
    api: run(port, masters),
    metrics: run(port + METRICS_ABOVE, masters),
    workerMetrics: run(port + WORKER_METRICS_ABOVE, workers),
  };
}

/** Throws a Failure that names what is taken and a way out. */
export async function refuseTakenPorts(ports: ClusterPorts): Promise<void> {
  const all = [...ports.api, ...ports.metrics, ...ports.workerMetrics];
  const free = await Promise.all(all.map(isFree));
  const taken = all.filter((_, index) => !free[index]);
  if (taken.length === 0) return;
  const other = await freeBase(ports);
  throw new Failure(
    `port${taken.length > 1 ? 's' : ''} ${taken.join(', ')} ${taken.length > 1 ? 'are' : 'is'} taken by another program; ` +
      `move all ports of the cluster with --port, such as --port ${other}`,
  );
}

async function freeBase(ports: ClusterPorts): Promise<number> {
  for (let port = 18_080; port < 28_080; port += 1000) {
    const { api, metrics, workerMetrics } = portsFrom(port, ports.api.length, ports.workerMetrics.length);
    const free = await Promise.all([...api, ...metrics, ...workerMetrics].map(isFree));
    if (free.every(Boolean)) return port;
  }
  return 18_080;
}

function run(first: number, count: number): number[] {
  return Array.from({ length: count }, (_, index) => first + index);
}

/** On loopback and on all addresses: each alone would let the other pass. */
async function isFree(port: number): Promise<boolean> {
  return (await canListen(port, '127.0.0.1')) && (await canListen(port, undefined));
}

function canListen(port: number, host: string | undefined): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(false));
    probe.listen({ port, ...(host !== undefined && { host }) }, () => probe.close(() => resolve(true)));
  });
}
