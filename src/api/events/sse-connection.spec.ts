import { request as httpRequest, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fastify, type FastifyInstance } from 'fastify';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { eventually } from '../../../test/support/eventually.js';
import { Draining } from '../../signals/draining.js';
import { SseConnection } from './sse-connection.js';

let server: FastifyInstance;
let draining: Draining;
let connection: SseConnection | undefined;

beforeEach(async () => {
  draining = new Draining();
  connection = undefined;
  server = fastify();
  server.get('/', (request, reply) => {
    reply.header('x-request-id', 'r-1');
    connection = new SseConnection(request, reply, {
      draining,
      keepAlive: () => ': still here\n\n',
      keepAliveEvery: 20,
    });
  });
  await server.listen({ port: 0, host: '127.0.0.1' });
});
afterEach(() => {
  connection?.cut();
  return server.close();
});

describe('a connection of server-sent events', () => {
  it('has the headers that keep proxies from holding events back, and those of the pipeline', async () => {
    const { headers } = await open();
    expect(headers).toMatchObject({
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store, no-transform',
      'x-accel-buffering': 'no',
      'x-request-id': 'r-1',
    });
  });

  it('tells when to come again, and keeps itself alive', async () => {
    const client = reading(await open());
    await eventually(() => expect(client.text).toMatch(/^retry: 1000\n\n(: still here\n\n){2}/));
  });

  it('ends in good order while the master drains', async () => {
    const client = reading(await open());
    connection?.write('data: last\n\n');
    draining.begin();
    await eventually(() => expect(client.ended).toBe('whole'));
    expect(client.text).toContain('data: last\n\n');
    expect(connection?.closed.aborted).toBe(true);
  });

  it('cuts a client that does not read, and says so to none of the others', async () => {
    const slow = await open();
    slow.pause();
    await eventually(() => expect(connection).toBeDefined());
    const held = connection;
    const frame = `data: ${'x'.repeat(64 * 1024)}\n\n`;
    let written = 0;
    await eventually(
      () => {
        held?.write(frame);
        written += frame.length;
        expect(held?.closed.aborted).toBe(true);
      },
      { every: 0 },
    );
    // What the sockets hold, and at most 1 MiB of ours.
    expect(written).toBeLessThan(64 * 1024 * 1024);
    const client = reading(slow.resume());
    await eventually(() => expect(client.ended).toBe('torn'));
  });

  it('notices a client that is gone', async () => {
    const response = await open();
    await eventually(() => expect(connection).toBeDefined());
    response.destroy();
    await eventually(() => expect(connection?.closed.aborted).toBe(true));
    expect(() => connection?.write('data: late\n\n')).not.toThrow();
  });

  it('waits while a client catches up', async () => {
    const slow = await open();
    slow.pause();
    await eventually(() => expect(connection).toBeDefined());
    const frame = `data: ${'x'.repeat(64 * 1024)}\n\n`;
    await eventually(
      async () => {
        connection?.write(frame);
        const drained = connection?.drained().then(() => true);
        expect(await Promise.race([drained, new Promise((resolve) => setImmediate(resolve))])).not.toBe(true);
      },
      { every: 0 },
    );
    const drained = connection?.drained();
    slow.resume();
    await drained;
    expect(connection?.closed.aborted).toBe(false);
  });
});

function open(): Promise<IncomingMessage> {
  const { port } = server.server.address() as AddressInfo;
  return new Promise((resolve, reject) => {
    httpRequest({ port, host: '127.0.0.1', headers: { accept: 'text/event-stream' } }, resolve)
      .on('error', reject)
      .end();
  });
}

function reading(response: IncomingMessage) {
  const state: { text: string; ended: 'whole' | 'torn' | undefined } = { text: '', ended: undefined };
  response.on('data', (chunk: Buffer) => (state.text += chunk.toString()));
  response.on('end', () => (state.ended = 'whole'));
  response.on('error', () => (state.ended = 'torn'));
  return state;
}
