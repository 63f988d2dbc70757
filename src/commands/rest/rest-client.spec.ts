import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { RestClient } from './rest-client.js';
import { problemText, Refusal, Unreachable } from './refusal.js';

const servers: Server[] = [];
const clients: RestClient[] = [];

afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.close()));
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

async function master(answer: (request: IncomingMessage, response: ServerResponse) => void): Promise<string> {
  const server = createServer(answer);
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function clientOf(masters: string[], key?: string): RestClient {
  const client = new RestClient({ masters, ...(key !== undefined && { key }) });
  clients.push(client);
  return client;
}

const DEAD = 'http://127.0.0.1:1';

describe('the client', () => {
  it('sends the key, the body and the query', async () => {
    const seen: unknown[] = [];
    const url = await master((request, response) => {
      seen.push(
        request.method,
        request.url,
        request.headers.authorization,
        request.headers['idempotency-key'],
      );
      request.on('data', (chunk: Buffer) => seen.push(JSON.parse(chunk.toString())));
      request.on('end', () => response.end('{"id":1}'));
    });
    const client = clientOf([url], 'a-key');
    expect(await client.post('/jobs', { scenario: 'x' }, { 'idempotency-key': 'k' })).toEqual({ id: 1 });
    expect(seen).toEqual(['POST', '/api/v1/jobs', 'Bearer a-key', 'k', { scenario: 'x' }]);
    await client.get('/jobs', { limit: 2, cursor: undefined, tag: 'a b' });
    expect(seen[6]).toBe('/api/v1/jobs?limit=2&tag=a%20b');
  });

  it('goes on to the next master, and stays with it', async () => {
    let asked = 0;
    const url = await master((_, response) => void ((asked += 1), response.end('[]')));
    let drained = 0;
    const draining = await master((_, response) => {
      drained += 1;
      response.writeHead(503).end('{"detail":"draining"}');
    });
    const client = clientOf([DEAD, draining, url]);
    await client.get('/jobs');
    await client.get('/jobs');
    expect([asked, drained]).toEqual([2, 1]);
  });

  it('does not take a refusal to the next master', async () => {
    let asked = 0;
    const refusing = await master((_, response) =>
      response.writeHead(409).end('{"detail":"it is completed"}'),
    );
    const other = await master((_, response) => void ((asked += 1), response.end('{}')));
    await expect(clientOf([refusing, other]).post('/jobs/1/cancel')).rejects.toThrow(
      new Refusal(409, 'it is completed'),
    );
    expect(asked).toBe(0);
  });

  it('says what to do where no master answers', async () => {
    await expect(clientOf([DEAD]).get('/jobs')).rejects.toThrow(Unreachable);
    await expect(clientOf([DEAD]).get('/jobs')).rejects.toThrow(
      /^no master answers at http:\/\/127\.0\.0\.1:1 \(ECONNREFUSED\); start one with/,
    );
  });

  it('says what to do about a wrong key', async () => {
    const url = await master((_, response) => response.writeHead(401).end('{"detail":"who are you?"}'));
    await expect(clientOf([url], 'wrong').get('/jobs')).rejects.toThrow(
      /does not know this key; set MASTER_API_KEY/,
    );
  });

  it('passes a stream on as it arrives', async () => {
    const url = await master((_, response) => {
      response.write('frame=');
      setImmediate(() => response.end('1\n'));
    });
    let text = '';
    for await (const chunk of clientOf([url]).stream('/jobs/1/logs', { follow: true })) text += chunk;
    expect(text).toBe('frame=1\n');
  });
});

describe('problem documents', () => {
  it('become one sentence with the paths of what is wrong', () => {
    const text = problemText(
      JSON.stringify({
        title: 'Invalid request',
        detail: 'The job cannot be taken.',
        errors: [
          { path: 'parameters.bitrate', message: 'bitrate must be a bit rate such as 2000k' },
          { path: 'color', message: 'is not a field of a job' },
        ],
      }),
    );
    expect(text).toBe(
      'The job cannot be taken: parameters.bitrate must be a bit rate such as 2000k; color: is not a field of a job',
    );
  });

  it('say once what the detail says already', () => {
    const message = 'node must be a UUID';
    const text = problemText(
      JSON.stringify({ detail: `node: ${message}`, errors: [{ path: 'node', message }] }),
    );
    expect(text).toBe('node: node must be a UUID');
  });

  it('may lack a detail, or be none at all', () => {
    expect(problemText('{"title":"Conflict"}')).toBe('Conflict');
    expect(problemText('<html>')).toBeUndefined();
    expect(problemText('{}')).toBeUndefined();
  });
});
