/** A real server over loopback with a small controller, behind the pipeline that every route stands behind. */
import { once } from 'node:events';
import { request as httpRequest } from 'node:http';
import { connect, type Socket } from 'node:net';
import { Body, Controller, Get, Module, Param, Post, Query } from '@nestjs/common';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { Type } from 'class-transformer';
import { IsArray, IsInt, IsObject, IsOptional, IsString, Max, ValidateNested } from 'class-validator';
import { pino } from 'pino';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { eventually } from '../../../test/support/eventually.js';
import { GuardedModule } from '../../../test/support/guarded.module.js';
import { Requires } from '../../access/requires.js';
import { Settings } from '../../config/settings.js';
import { Overloaded } from '../../database/overloaded.js';
import { Metrics } from '../../metrics/metrics.js';
import { conflict } from '../../protocol/problem.js';
import { Draining } from '../../signals/draining.js';
import { closeGracefully } from './graceful-close.js';
import { createPipeline } from './http-pipeline.js';
import { SettingsModule } from '../settings.module.js';

const KEY = 'a key for the tests of the pipeline';

class Bitrate {
  @IsInt() @Max(100) bitrate: number;
}
class Part {
  @ValidateNested() @Type(() => Bitrate) parameters: Bitrate;
}
class Order {
  @IsString() name: string;
  @IsOptional() @IsArray() @ValidateNested({ each: true }) @Type(() => Part) jobs?: Part[];
  @IsOptional() @IsObject() labels?: Record<string, string>;
}
class Page {
  @IsOptional() @Type(() => Number) @IsInt() @Max(5) limit?: number;
}

const NAMED_LIKE_ALL = ['constructor', 'prototype'];

let release: () => void = () => undefined;
const held = { count: 0 };

@Controller('api/v1/orders')
@Requires('job:read')
class OrdersController {
  @Post() create(@Body() order: Order) {
    return { order, is: order.constructor.name, parts: order.jobs?.[0]?.constructor.name };
  }
  @Post('batch') batch(@Body() order: Order) {
    return { name: order.name.length };
  }
  @Post('unchecked') unchecked(@Body() body: object) {
    return body;
  }
  @Get() list(@Query() page: Page) {
    return { limit: page.limit };
  }
  @Get('held') async hold() {
    held.count += 1;
    await new Promise<void>((resolve) => (release = resolve));
    return { held: true };
  }
  @Get('errors/:kind') fail(@Param('kind') kind: string) {
    const errors: Record<string, Error> = {
      conflict: conflict('It is completed already.', { current_status: 'completed' }),
      overloaded: new Overloaded('1000 submits wait already.', 3),
      refused: Object.assign(new Error('connect ECONNREFUSED 10.0.0.9:5432'), { code: 'ECONNREFUSED' }),
      terminated: new Error('Connection terminated unexpectedly'),
      secret: new Error('password "hunter2" at /srv/private'),
      sql: Object.assign(new Error('column "x" does not exist'), { code: '42703' }),
    };
    throw errors[kind] ?? new Error('unknown kind');
  }
}

const settings = new Settings();
settings.master_api_key = KEY;
settings.api.trusted_proxies = ['127.0.0.1/32'];

@Module({ imports: [SettingsModule.of(settings), GuardedModule], controllers: [OrdersController] })
class OrdersModule {}

const lines: Record<string, unknown>[] = [];
const logger = pino({ level: 'debug' }, { write: (line: string) => void lines.push(JSON.parse(line)) });
const metrics = new Metrics();
const draining = new Draining();
let app: NestFastifyApplication;
let url: string;

beforeAll(async () => {
  app = await createPipeline(OrdersModule, settings.api, {
    logger,
    metrics: () => metrics,
    draining: () => draining,
    limits: { requestTimeout: 400, checkEvery: 50 },
  });
  await app.listen(0, '127.0.0.1');
  url = await app.getUrl();
});
afterAll(() => app.close());
beforeEach(() => void lines.splice(0));

describe('validation', () => {
  it('answers what is right, as instances of its classes', async () => {
    const { status, body } = await post('/api/v1/orders', {
      name: 'a',
      jobs: [{ parameters: { bitrate: 3 } }],
    });
    expect(status).toBe(201);
    expect(body).toMatchObject({ is: 'Order', parts: 'Part', order: { name: 'a' } });
  });

  it('names each wrong field by its path', async () => {
    const jobs = [{ parameters: { bitrate: 1 } }, { parameters: { bitrate: 101 } }, { parameters: 'x' }];
    const { status, body, headers } = await post('/api/v1/orders', { name: 7, jobs });
    expect(status).toBe(400);
    expect(headers.get('content-type')).toBe('application/problem+json; charset=utf-8');
    expect(body).toMatchObject({
      type: 'urn:ffmpeg-master:problem:invalid-request',
      title: 'Invalid request',
      status: 400,
    });
    expect(body.errors.map((error: { path: string }) => error.path)).toEqual([
      'name',
      'jobs[1].parameters.bitrate',
      'jobs[2].parameters',
    ]);
    expect(body.errors[0].message).toContain('must be a string');
  });

  it('refuses unknown fields by name, wherever they stand', async () => {
    const { body } = await post('/api/v1/orders', {
      name: 'a',
      nmae: 'b',
      jobs: [{ parameters: { bitrate: 1, args: '-f' } }],
    });
    expect(body.errors).toEqual([
      { path: 'nmae', message: 'is not a known field' },
      { path: 'jobs[0].parameters.args', message: 'is not a known field' },
    ]);
  });

  it.each([
    ['a list for an object', { jobs: [{ parameters: [] }] }, ['jobs[0].parameters']],
    ['a list for an item of a list', { jobs: [{ parameters: { bitrate: 1 } }, []] }, ['jobs[1]']],
    ['unknown fields named like something of every object', { constructor: 1, prototype: 1 }, NAMED_LIKE_ALL],
    ['labels that would be left out', { labels: { prototype: 'x' } }, ['labels.prototype']],
    ['the same further in', { jobs: [{ parameters: { bitrate: 1 }, toString: 1 }] }, ['jobs[0].toString']],
  ])('refuses %s, which class-validator lets pass', async (_case, more, paths) => {
    const { status, body } = await post('/api/v1/orders', { name: 'a', ...more });
    expect(status).toBe(400);
    expect(body.errors.map((error: { path: string }) => error.path)).toEqual(paths);
  });

  it('refuses unknown and wrong query parameters', async () => {
    expect((await get('/api/v1/orders?limit=4')).body).toEqual({ limit: 4 });
    expect((await get('/api/v1/orders?limit=6')).body.errors[0].path).toBe('limit');
    expect((await get('/api/v1/orders?limti=4')).body.errors).toEqual([
      { path: 'limti', message: 'is not a known field' },
    ]);
  });

  it.each([['[]'], ['"text"'], ['5'], ['null'], ['true'], ['[{"name":"a"}]']])(
    'refuses the body %s',
    async (text) => {
      const { status, body } = await send('POST', '/api/v1/orders', text);
      expect([status, body.detail]).toEqual([400, 'The body must be a JSON object.']);
    },
  );

  it('takes no body that it could not check', async () => {
    expect((await post('/api/v1/orders/unchecked', { name: 'a' })).status).toBe(500);
  });

  it('names at most a hundred wrong fields of a thousand', async () => {
    const jobs = Array.from({ length: 1000 }, () => ({ parameters: { bitrate: 'x' } }));
    const { body } = await post('/api/v1/orders/batch', { name: 'a', jobs });
    expect(body.errors).toHaveLength(100);
  });
});

describe('bodies', () => {
  it('tells of broken JSON', async () => {
    const { status, body } = await send('POST', '/api/v1/orders', '{"name":');
    expect([status, body.status, body.detail]).toEqual([400, 400, expect.stringContaining('not valid JSON')]);
  });

  it('takes an empty one as none', async () => {
    const { body } = await send('POST', '/api/v1/orders', '');
    expect(body.errors[0].path).toBe('name');
  });

  it('takes no other kind than JSON', async () => {
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'application/jsonp']) {
      const { status, body } = await send('POST', '/api/v1/orders', 'name=a', { 'content-type': type });
      expect([status, body.status]).toEqual([415, 415]);
    }
    const named = { 'content-type': 'application/json; charset=utf-8' };
    expect((await send('POST', '/api/v1/orders', '{"name":"a"}', named)).status).toBe(201);
  });

  it('has a limit, and a larger one where lists are sent', async () => {
    const large = { name: 'x'.repeat(1024 * 1024) };
    expect(await post('/api/v1/orders', large)).toMatchObject({ status: 413, body: { status: 413 } });
  });

  it('refuses deep nesting and dangerous keys', async () => {
    const deep = `{"name":${'['.repeat(1000)}${']'.repeat(1000)}}`;
    expect((await send('POST', '/api/v1/orders', deep)).body.detail).toContain(
      'nested deeper than 32 levels',
    );
    const poisoned = '{"name":"a","__proto__":{"admin":true}}';
    expect((await send('POST', '/api/v1/orders', poisoned)).status).toBe(400);
  });
});

describe('a body that does not come', () => {
  const head = (path: string, more: string) =>
    `POST ${path} HTTP/1.1\r\nHost: m\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n${more}\r\n`;

  it('is waited for no longer than the limit', async () => {
    const { socket, heard } = await speak(
      head('/api/v1/orders', `Authorization: Bearer ${KEY}\r\n`) + '{"na',
    );
    const sent = performance.now();
    await eventually(() => expect(socket.destroyed).toBe(true), { within: 3_000 });
    expect(performance.now() - sent).toBeGreaterThan(300);
    expect(heard()).toMatch(
      /^HTTP\/1\.1 408 Request Timeout\r\n[^]*application\/problem\+json[^]*"status":408/,
    );
  });

  it.each([
    ['no key', ''],
    ['a wrong key', 'Authorization: Bearer of bad news\r\n'],
  ])('is not waited for at all with %s', async (_case, header) => {
    const { heard } = await speak(head('/api/v1/orders/batch', header));
    await eventually(() => expect(heard()).toMatch(/^HTTP\/1\.1 401 Unauthorized\r\n[^]*"status":401/), {
      within: 350,
    });
  });

  it('leaves an answer that takes longer than the limit alone', async () => {
    held.count = 0;
    const answer = get('/api/v1/orders/held');
    await eventually(() => expect(held.count).toBe(1));
    const end = performance.now() + 3 * 400;
    await eventually(() => expect(performance.now()).toBeGreaterThan(end));
    release();
    expect((await answer).body).toEqual({ held: true });
  });

  it.each([
    ['expects what nobody knows', 'Host: m\r\nExpect: miracles\r\n', 417],
    ['names no host', '', 400],
  ])(
    'is answered as a problem where it %s, which Node would answer without a word',
    async (_case, header, status) => {
      const { socket, heard } = await speak(
        `GET /api/v1/orders HTTP/1.1\r\n${header}Connection: close\r\n\r\n`,
      );
      await eventually(() => expect(socket.destroyed).toBe(true));
      expect(heard()).toMatch(
        new RegExp(`^HTTP/1.1 ${status} [^]*application/problem\\+json[^]*"status":${status}`),
      );
    },
  );

  it('is answered as a problem too where it is no HTTP', async () => {
    const { heard } = await speak('EHLO mail.example\r\n\r\n');
    await eventually(() => expect(heard()).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n[^]*"status":400/));
  });
});

describe('errors', () => {
  it('are the problem that was thrown', async () => {
    expect(await get('/api/v1/orders/errors/conflict')).toMatchObject({
      status: 409,
      body: { status: 409, detail: 'It is completed already.', current_status: 'completed' },
    });
  });

  it.each([
    ['overloaded', '3'],
    ['refused', '1'],
    ['terminated', '1'],
  ])('ask to come again where the database is the cause: %s', async (kind, seconds) => {
    const { status, headers, text } = await get(`/api/v1/orders/errors/${kind}`);
    expect([status, headers.get('retry-after')]).toEqual([503, seconds]);
    expect(text).not.toMatch(/10\.0\.0\.9|terminated/);
  });

  it.each(['secret', 'sql'])('keep their text to themselves otherwise: %s', async (kind) => {
    const { status, text, body, headers } = await get(`/api/v1/orders/errors/${kind}`);
    expect(status).toBe(500);
    expect(text).not.toMatch(/hunter2|private|column/);
    expect(body.request_id).toBe(headers.get('x-request-id'));
    const logged = lines.find((line) => line['msg'] === 'request failed');
    expect(logged).toMatchObject({ request_id: body.request_id, route: '/api/v1/orders/errors/:kind' });
    expect(JSON.stringify(logged)).toMatch(/hunter2|column/);
  });

  it('tell an unknown route from a wrong method', async () => {
    expect(await get('/api/v1/ordres')).toMatchObject({
      status: 404,
      body: { title: 'Not found', status: 404 },
    });
    const wrong = await send('PUT', '/api/v1/orders/errors/1', '{}');
    expect([wrong.status, wrong.headers.get('allow')]).toEqual([405, 'GET, HEAD']);
    expect(wrong.body).toMatchObject({ status: 405, detail: 'This route takes GET, HEAD.' });
  });

  it('are problems for broken URLs too', async () => {
    const { status, headers } = await get('/api/v1/orders/errors/%zz');
    expect([status, headers.get('content-type')]).toEqual([400, 'application/problem+json; charset=utf-8']);
  });

  it('ask for a key by the scheme it takes', async () => {
    const { status, headers, body } = await send('GET', '/api/v1/orders', undefined, { authorization: '' });
    expect([status, headers.get('www-authenticate')]).toEqual([401, 'Bearer realm="ffmpeg-master"']);
    expect(body).toMatchObject({ status: 401, title: 'Unauthorized' });
  });
});

describe('request ids', () => {
  it('are those of the client where they are sane', async () => {
    const { headers } = await get('/api/v1/orders', { 'x-request-id': 'trace-42/a' });
    expect(headers.get('x-request-id')).toBe('trace-42/a');
  });

  it.each(['with blank', 'x'.repeat(129), '', 'a"b', '<script>'])('are made anew for %j', async (sent) => {
    const { headers } = await get('/api/v1/orders', { 'x-request-id': sent });
    expect(headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
  });

  it('stand in the log', async () => {
    await send('POST', '/api/v1/orders', '{"name":"a"}', { 'x-request-id': 'r-1' });
    await eventually(() =>
      expect(lines).toContainEqual(
        expect.objectContaining({
          request_id: 'r-1',
          route: '/api/v1/orders',
          status: 201,
          ms: expect.any(Number),
        }),
      ),
    );
  });
});

it('counts requests by route pattern, never by path', async () => {
  await get('/api/v1/orders/errors/conflict');
  await get('/some/where/else');
  await eventually(async () => {
    const text = await metrics.registry.metrics();
    expect(text).toMatch(
      /ffrtmp_http_requests_total\{method="GET",route="\/api\/v1\/orders\/errors\/:kind",status="409"\} [1-9]/,
    );
    expect(text).toContain('ffrtmp_http_requests_total{method="GET",route="unmatched",status="404"}');
    expect(text).toContain(
      'ffrtmp_http_request_duration_seconds_count{method="GET",route="/api/v1/orders/errors/:kind"}',
    );
    expect(text).not.toContain('/some/where/else');
    expect(text).not.toContain('errors/conflict');
  });
});

// The last one: the server is not there afterwards.
it('finishes the requests in flight when it closes, and says goodbye on their connections', async () => {
  held.count = 0;
  const { port } = new URL(url);
  const idle = connect(Number(port), '127.0.0.1').resume();
  const answer = new Promise<{ status?: number; connection?: string; body: string }>((resolve, reject) => {
    const headers = { authorization: `Bearer ${KEY}`, connection: 'keep-alive' };
    const request = httpRequest(`${url}/api/v1/orders/held`, { headers }, (response) => {
      let body = '';
      response.on('data', (chunk: Buffer) => (body += chunk.toString()));
      response.on('end', () =>
        resolve({ status: response.statusCode, connection: response.headers.connection, body }),
      );
    });
    request.on('error', reject).end();
  });
  await eventually(() => expect(held.count).toBe(1));
  draining.begin();
  const closed = closeGracefully(app, 10_000).then(() => app.close());
  await expect(fetch(`${url}/api/v1/orders`)).rejects.toThrow();
  release();
  expect(await answer).toEqual({ status: 200, connection: 'close', body: '{"held":true}' });
  await closed;
  // A connection on which nothing was ever asked does not hold up the exit.
  await eventually(() => expect(idle.destroyed).toBe(true));
});

/** Sends bytes as they are. */
async function speak(text: string): Promise<{ socket: Socket; heard: () => string }> {
  let heard = '';
  const socket = connect(Number(new URL(url).port), '127.0.0.1');
  socket.setEncoding('utf8').on('data', (part: string) => (heard += part));
  await once(socket, 'connect');
  socket.write(text);
  return { socket, heard: () => heard };
}

interface Answer {
  status: number;
  headers: Headers;
  text: string;
  // What is there is what is being tested.
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  body: any;
}

const get = (path: string, headers: Record<string, string> = {}) => send('GET', path, undefined, headers);
const post = (path: string, body: object) => send('POST', path, JSON.stringify(body));

async function send(
  method: string,
  path: string,
  body?: string,
  headers: Record<string, string> = {},
): Promise<Answer> {
  const response = await fetch(`${url}${path}`, {
    method,
    body,
    headers: { authorization: `Bearer ${KEY}`, 'content-type': 'application/json', ...headers },
  });
  const text = await response.text();
  const json = response.headers.get('content-type')?.includes('json') && text !== '';
  return {
    status: response.status,
    headers: response.headers,
    text,
    body: json ? JSON.parse(text) : undefined,
  };
}
