import { randomUUID } from 'node:crypto';
import { registration } from '../../../test/support/registration.js';
import { Connection } from './connection.js';

export interface Fleet {
  readonly urls: readonly string[];
  readonly key: string;
  /** How many, spread evenly over the masters. */
  readonly workers: number;
  readonly slots: number;
  /** The queues they serve; all if absent. */
  readonly queues?: readonly string[];
  readonly labels?: Readonly<Record<string, string>>;
}

export interface SimulatedNode {
  readonly id: string;
  readonly connection: Connection;
  readonly url: string;
}

/** Registers nodes, each with a connection of its own, as workers have. */
export async function register({
  urls,
  key,
  workers,
  slots,
  queues = [],
  labels = {},
}: Fleet): Promise<SimulatedNode[]> {
  const nodes: SimulatedNode[] = [];
  const enroll = async (k: number) => {
    const url = urls[k % urls.length] as string;
    const connection = new Connection(url, key);
    const { id } = await connection.callUntilAnswered<{ id: string }>(
      '/api/v1/nodes',
      registration(`bench-${randomUUID()}`, slots, { queues, labels }),
    );
    nodes.push({ id, connection, url });
  };
  let next = 0;
  const enrollAll = async () => {
    while (next < workers) await enroll(next++);
  };
  await Promise.all(Array.from({ length: 32 }, enrollAll));
  return nodes;
}
