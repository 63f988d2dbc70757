/** The server that masters run, Fastify and all, asked over loopback in TLS, in plain HTTP and in neither. */
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { request as httpRequest } from 'node:http';
import { Agent, request as httpsRequest, type RequestOptions } from 'node:https';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls, type ConnectionOptions, type TLSSocket } from 'node:tls';
import type { FastifyInstance } from 'fastify';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createAuthority, type Issued } from '../../../test/support/certificates.js';
import { eventually } from '../../../test/support/eventually.js';
import { Settings } from '../../config/settings.js';
import { createHttpAdapter, type ReceivingLimits } from '../http/http-adapter.js';
import { type Certificate, loadCertificate } from './certificate.js';
import { TlsServer } from './tls-server.js';

const settings = new Settings();
settings.api.tls_enabled = true;
const REFUSAL = /^This port speaks TLS: use https:\/\//;

let folder: string;
let own: Certificate;
let fastify: FastifyInstance;
let port: number;
let changes = 0;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tls-server-'));
  settings.database.data_dir = folder;
  own = (await loadCertificate(settings, pino({ level: 'silent' }))) as Certificate;
  fastify = await start(own);
  port = portOf(fastify);
});
afterAll(async () => {
  await fastify.close();
  await rm(folder, { recursive: true, force: true });
});

async function start(certificate: Certificate, limits?: ReceivingLimits): Promise<FastifyInstance> {
  const instance: FastifyInstance = createHttpAdapter(settings.api, certificate, limits).getInstance();
  instance.get('/health', () => ({ status: 'healthy' }));
  instance.get('/secret', () => ({ secret: true }));
  instance.post('/api/v1/jobs', () => ({ changes: ++changes }));
  await instance.listen({ port: 0, host: '127.0.0.1' });
  return instance;
}
const portOf = (instance: FastifyInstance) => (instance.server.address() as AddressInfo).port;

describe('over TLS', () => {
  it('is trusted by who was given the certificate, and by nobody else', async () => {
    expect(await https('/health', { ca: own.chain })).toMatchObject({
      status: 200,
      text: '{"status":"healthy"}',
    });
    await expect(https('/health')).rejects.toMatchObject({ code: 'DEPTH_ZERO_SELF_SIGNED_CERT' });
  });

  it('waits for a body no longer than plain HTTP does', async () => {
    const impatient = await start(own, { requestTimeout: 300, checkEvery: 50 });
    try {
      const socket = connectTls({ port: portOf(impatient), host: '127.0.0.1', ca: own.chain });
      let heard = '';
      socket.setEncoding('utf8').on('data', (part: string) => (heard += part));
      socket.write(
        'POST /api/v1/jobs HTTP/1.1\r\nHost: m\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\r\n{',
      );
      await eventually(() => expect(heard).toMatch(/^HTTP\/1\.1 408 Request Timeout\r\n/), { within: 3_000 });
    } finally {
      await impatient.close();
    }
  });

  it('takes requests with bodies, over connections kept open', async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const options = { ca: own.chain, agent, method: 'POST', headers: { 'content-type': 'application/json' } };
    const answers = [];
    for (const size of [10, 500_000, 10]) {
      answers.push(await https('/api/v1/jobs', options, JSON.stringify({ text: 'x'.repeat(size) })));
    }
    expect(answers.map(({ status, reused }) => [status, reused])).toEqual([
      [200, false],
      [200, true],
      [200, true],
    ]);
    agent.destroy();
  });

  it('answers requests that come together, in their order', async () => {
    const socket = await handshake({ ca: own.chain });
    socket.write('GET /health HTTP/1.1\r\nhost: a\r\n\r\nGET /secret HTTP/1.1\r\nhost: a\r\n\r\n');
    const text = await received(socket, '"secret":true');
    expect(text.indexOf('healthy')).toBeGreaterThan(0);
    expect(text.indexOf('healthy')).toBeLessThan(text.indexOf('secret'));
    socket.destroy();
  });

  it('speaks TLS 1.2 and 1.3, and nothing older', async () => {
    for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
      const socket = await handshake({ ca: own.chain, minVersion: version, maxVersion: version });
      expect(socket.getProtocol()).toBe(version);
      socket.destroy();
    }
    // At OpenSSL's own level the client would refuse to ask at all.
    const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'ALL:@SECLEVEL=0' } as const;
    await expect(handshake({ ca: own.chain, ...old })).rejects.toMatchObject({
      code: 'ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION',
    });
  });

  it('offers HTTP/1.1 to who asks for more', async () => {
    const socket = await handshake({ ca: own.chain, ALPNProtocols: ['h2', 'http/1.1'] });
    expect(socket.alpnProtocol).toBe('http/1.1');
    socket.destroy();
  });

  it('hears a first message that comes byte by byte', async () => {
    const relayed = await slowRelay(port);
    expect(await https('/health', { ca: own.chain, port: relayed.port })).toMatchObject({ status: 200 });
    relayed.close();
  });
});

describe('in plain HTTP', () => {
  it('answers GET /health as it does over TLS', async () => {
    const [plain, secure] = [await http('GET', '/health'), await https('/health', { ca: own.chain })];
    expect([plain.status, plain.text]).toEqual([secure.status, secure.text]);
    expect((await http('GET', '/health?verbose=1')).status).toBe(200);
  });

  it.each([
    ['POST', '/api/v1/jobs'],
    ['POST', '/health'],
    ['GET', '/secret'],
    ['GET', '/health/../secret'],
    ['GET', '//health'],
    ['GET', '/%68ealth'],
    ['GET', '/'],
  ])('refuses %s %s, and says where to', async (method, path) => {
    const before = changes;
    const { status, text, type } = await http(method, path, method === 'POST' ? '{}' : undefined);
    expect([status, type]).toEqual([400, 'text/plain; charset=utf-8']);
    expect(text).toBe(`This port speaks TLS: use https://127.0.0.1:${port}\n`);
    expect(changes).toBe(before);
  });

  it('does not repeat what a client says its host is, unless it may be one', async () => {
    const socket = await dial('GET / HTTP/1.1\r\nhost: <script>\r\n\r\n');
    const text = await received(socket, 'https://');
    expect(text).not.toContain('script');
    socket.destroy();
  });

  it('keeps the connection for the next request, refused ones and bodies between', async () => {
    const body = 'x'.repeat(200_000);
    const socket = await dial(
      `POST /api/v1/jobs HTTP/1.1\r\nhost: a\r\ncontent-length: ${body.length}\r\n\r\n${body}` +
        'GET /health HTTP/1.1\r\nhost: a\r\n\r\nGET /secret HTTP/1.1\r\nhost: a\r\n\r\n',
    );
    const text = await eventually(() => {
      expect(heard(socket).match(/HTTP\/1\.1 (\d+)/g)).toEqual([
        'HTTP/1.1 400',
        'HTTP/1.1 200',
        'HTTP/1.1 400',
      ]);
      return heard(socket);
    });
    expect(text).toContain('healthy');
    socket.destroy();
  });

  it('hears a request that comes byte by byte', async () => {
    const socket = await dial('');
    for (const byte of 'GET /health HTTP/1.1\r\nhost: a\r\n\r\n') {
      socket.write(byte);
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(await received(socket, 'healthy')).toMatch(/^HTTP\/1\.1 200/);
    socket.destroy();
  });

  it('closes on what is neither', async () => {
    const socket = await dial('\x80\x00\x01 what is this?\r\n\r\n');
    await closed(socket);
    expect(heard(socket)).toMatch(/^(HTTP\/1\.1 400|$)/);
  });
});

describe('with authorities of clients', () => {
  let authority: Issued;
  let guarded: FastifyInstance;
  beforeAll(async () => {
    authority = await createAuthority('workers');
    guarded = await start({ ...own, clientAuthorities: authority.certificate });
  });
  afterAll(() => guarded.close());
  const ask = (client?: Issued) =>
    https('/secret', {
      ca: own.chain,
      port: portOf(guarded),
      ...(client && { cert: client.certificate, key: client.key }),
    });

  it('takes clients that these vouch for', async () => {
    expect((await ask(await authority.issue('worker-1'))).status).toBe(200);
  });

  it('refuses others, and those that show nothing', async () => {
    const stranger = await (await createAuthority('workers')).issue('worker-1');
    await expect(ask(stranger)).rejects.toThrow();
    await expect(ask()).rejects.toThrow(/certificate required|ECONNRESET|socket hang up/i);
  });

  it('still answers probes, which have no certificate', async () => {
    expect((await http('GET', '/health', undefined, portOf(guarded))).status).toBe(200);
    expect((await http('GET', '/secret', undefined, portOf(guarded))).text).toMatch(REFUSAL);
  });
});

describe('connections that are up to nothing', () => {
  const LIMITS = { firstByteTimeout: 60_000, silentConnections: 100, handshakeTimeout: 60_000 };
  let server: TlsServer;
  const sockets: Socket[] = [];
  async function listen(limits: Partial<typeof LIMITS>): Promise<void> {
    server = new TlsServer((_request, response) => response.end('served'), own, { ...LIMITS, ...limits });
    await once(server.listen(0, '127.0.0.1'), 'listening');
  }
  async function open(text = ''): Promise<Socket> {
    const socket = await dial(text, (server.address() as AddressInfo).port);
    sockets.push(socket);
    return socket;
  }
  const accepted = (count: number) =>
    eventually(async () => {
      const connections = await new Promise((resolve) => server.getConnections((_error, n) => resolve(n)));
      expect(connections).toBe(count);
    });
  afterEach(async () => {
    for (const socket of sockets.splice(0)) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });

  it('are dropped after the time limit', async () => {
    await listen({ firstByteTimeout: 50 });
    await closed(await open());
  });

  it('are dropped where a handshake is begun and not finished', async () => {
    await listen({ handshakeTimeout: 50 });
    await closed(await open('\x16\x03\x01'));
  });

  it('are dropped oldest first where there are too many', async () => {
    await listen({ silentConnections: 2 });
    const first = await open();
    await accepted(1);
    const rest = [await open(), await open()];
    await closed(first);
    await accepted(2);
    for (const socket of rest) {
      socket.write('GET /health HTTP/1.1\r\nhost: a\r\n\r\n');
      expect(await received(socket, 'served')).toMatch(/ 200 /);
    }
  });

  it('may leave without a word, or with a reset', async () => {
    await listen({});
    const [polite, rude, ruder] = [await open(), await open(), await open('\x16')];
    await accepted(3);
    polite.end();
    rude.resetAndDestroy();
    ruder.resetAndDestroy();
    await accepted(0);
  });

  it('do not hold up a server that closes', async () => {
    await listen({});
    await Promise.all([open(), open('\x16\x03\x01'), open('GET /health HTTP/1.1\r\nhost: a\r\n')]);
    await accepted(3);
    const done = once(server, 'close');
    server.close();
    server.closeAllConnections();
    await done;
  });

  it('are dropped as idle when a server closes', async () => {
    await listen({});
    const silent = await open();
    await accepted(1);
    const done = once(server, 'close');
    server.close();
    await Promise.all([done, closed(silent)]);
  });
});

interface Answer {
  status: number | undefined;
  text: string;
  type: string | undefined;
  reused: boolean;
}

function https(path: string, options: RequestOptions = {}, body?: string): Promise<Answer> {
  return answered(httpsRequest({ host: 'localhost', family: 4, port, path, agent: false, ...options }), body);
}

function http(method: string, path: string, body?: string, to = port): Promise<Answer> {
  return answered(httpRequest({ host: '127.0.0.1', port: to, method, path, agent: false }), body);
}

function answered(request: ReturnType<typeof httpRequest>, body?: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    request.on('error', reject).on('response', (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
      response.on('error', reject).on('end', () => {
        const type = response.headers['content-type'];
        resolve({ status: response.statusCode, text, type, reused: request.reusedSocket });
      });
    });
    request.end(body);
  });
}

/** A connection on which this was sent; what it hears is collected. */
async function dial(text: string, to = port): Promise<Socket> {
  const socket = connect(to, '127.0.0.1');
  collect(socket);
  await once(socket, 'connect');
  socket.write(text, 'latin1');
  return socket;
}

async function handshake(options: ConnectionOptions): Promise<TLSSocket> {
  const socket = connectTls({ port, host: '127.0.0.1', servername: 'localhost', ...options });
  await once(socket, 'secureConnect');
  collect(socket);
  return socket;
}

const texts = new WeakMap<Socket, string>();
function collect(socket: Socket): void {
  texts.set(socket, '');
  socket.on('data', (chunk: Buffer) => void texts.set(socket, heard(socket) + chunk.toString('latin1')));
  socket.on('error', () => undefined);
}
const heard = (socket: Socket) => texts.get(socket) ?? '';

function received(socket: Socket, part: string): Promise<string> {
  return eventually(() => {
    expect(heard(socket)).toContain(part);
    return heard(socket);
  });
}

/** Passes on a byte of the client at a time; each becomes a segment of its own. */
async function slowRelay(to: number): Promise<{ port: number; close(): void }> {
  const relay = createServer((client) => {
    const upstream = connect({ port: to, host: '127.0.0.1', noDelay: true });
    upstream.pipe(client).on('error', () => undefined);
    void (async () => {
      for await (const chunk of client) {
        for (const byte of chunk as Buffer) {
          upstream.write(Buffer.of(byte));
          await new Promise((resolve) => setImmediate(resolve));
        }
      }
      upstream.end();
    })().catch(() => upstream.destroy());
  });
  await once(relay.listen(0, '127.0.0.1'), 'listening');
  return { port: (relay.address() as AddressInfo).port, close: () => void relay.close() };
}

const closed = (socket: Socket) => eventually(() => expect(socket.closed).toBe(true));
