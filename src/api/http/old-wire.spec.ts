/** What every request to a path outside of `/api` meets: ffmpeg-rtmp's transport, over a real socket. */
import { Controller, Get, HttpCode, Module, Post, Req } from '@nestjs/common';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyRequest } from 'fastify';
import { pino } from 'pino';
import { request } from 'undici';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { GuardedModule } from '../../../test/support/guarded.module.js';
import { Requires } from '../../access/requires.js';
import { Settings } from '../../config/settings.js';
import { OldWireError } from '../../ffrtmp/wire/old-wire-error.js';
import { Metrics } from '../../metrics/metrics.js';
import { conflict, unavailable } from '../../protocol/problem.js';
import { Draining } from '../../signals/draining.js';
import { SettingsModule } from '../settings.module.js';
import { createPipeline } from './http-pipeline.js';

const KEY = 'a key for the tests of the old wire';

@Controller()
@Requires('job:read')
class OldController {
  @Post('results') @HttpCode(200) result(@Req() { body }: FastifyRequest) {
    return { characters: typeof body === 'string' ? body.length : null, kind: typeof body };
  }
  @Get('jobs/next') next() {
    throw unavailable('The database does not answer.', 1);
  }
  @Get('nodes') nodes() {
    throw conflict('It runs something.');
  }
  @Post('jobs') create() {
    throw new OldWireError(400, "Invalid engine 'vlc'. Valid values: auto, ffmpeg, gstreamer");
  }
}

@Controller('api/v1/things')
@Requires('job:read')
class NewController {
  @Post() make() {
    return {};
  }
}

const settings = new Settings();
settings.master_api_key = KEY;

@Module({
  imports: [SettingsModule.of(settings), GuardedModule],
  controllers: [OldController, NewController],
})
class OldModule {}

let app: NestFastifyApplication;
let url: string;

beforeAll(async () => {
  app = await createPipeline(OldModule, settings.api, {
    logger: pino({ level: 'silent' }),
    metrics: () => new Metrics(),
    draining: () => new Draining(),
  });
  await app.listen(0, '127.0.0.1');
  url = await app.getUrl();
});
afterAll(() => app.close());

interface Sent {
  readonly body?: string;
  readonly headers?: Record<string, string>;
  readonly key?: string | null;
}

async function send(method: string, path: string, { body, headers = {}, key = KEY }: Sent = {}) {
  const answer = await request(`${url}${path}`, {
    method: method as 'GET',
    headers: { ...(key !== null && { authorization: `Bearer ${key}` }), ...headers },
    ...(body !== undefined && { body }),
  });
  return { status: answer.statusCode, headers: answer.headers, text: await answer.body.text() };
}

describe('errors', () => {
  it.each<[string, string, string, Sent, number, string]>([
    ['an unknown path', 'GET', '/nothing', {}, 404, '404 page not found\n'],
    [
      'an unknown path without a key',
      'POST',
      '/nothing',
      { key: null, body: '{}' },
      404,
      '404 page not found\n',
    ],
    ['no key', 'GET', '/nodes', { key: null }, 401, 'Missing Authorization header\n'],
    [
      'no key with a body',
      'POST',
      '/results',
      { key: null, body: '{}' },
      401,
      'Missing Authorization header\n',
    ],
    ['a wrong key', 'GET', '/nodes', { key: 'wrong' }, 401, 'Invalid API key\n'],
    [
      'what a handler says',
      'POST',
      '/jobs',
      {},
      400,
      "Invalid engine 'vlc'. Valid values: auto, ffmpeg, gstreamer\n",
    ],
    ['a database that is away', 'GET', '/jobs/next', {}, 500, 'Failed to get next job\n'],
    ['anything else', 'GET', '/nodes', {}, 409, 'It runs something.\n'],
  ])('%s: plain text', async (_, method, path, sent, status, text) => {
    const answer = await send(method, path, sent);
    expect(answer).toMatchObject({ status, text });
    expect(answer.headers).toMatchObject({
      'content-type': 'text/plain; charset=utf-8',
      'x-content-type-options': 'nosniff',
    });
  });

  it.each([null, KEY])(
    'a wrong method: an empty 405 that names no other, before the key (%s) is asked for',
    async (key) => {
      const answer = await send('DELETE', '/jobs', { key });
      expect(answer).toMatchObject({ status: 405, text: '' });
      expect(answer.headers).not.toHaveProperty('allow');
      expect(answer.headers).not.toHaveProperty('content-type');
    },
  );

  it('on our own routes are problem documents as ever', async () => {
    for (const path of ['/api/v1/nothing', '/api/v1/things/x', '/docs/nothing']) {
      const answer = await send('GET', path);
      expect(answer).toMatchObject({ status: 404 });
      expect(answer.headers['content-type']).toContain('application/problem+json');
    }
    const wrong = await send('DELETE', '/api/v1/things');
    expect(wrong).toMatchObject({ status: 405, headers: { allow: 'POST' } });
  });
});

describe('bodies', () => {
  it.each<[string, Sent]>([
    ['JSON', { headers: { 'content-type': 'application/json' }, body: '{"a":1}' }],
    ['what is no JSON', { headers: { 'content-type': 'application/json' }, body: '{"a":' }],
    ['another type', { headers: { 'content-type': 'text/yaml' }, body: 'a: 1' }],
    ['a type that is none', { headers: { 'content-type': '!' }, body: 'x' }],
    ['no type', { body: '{"a":1}' }],
  ])('come as text: %s', async (_, sent) => {
    const answer = await send('POST', '/results', sent);
    expect(answer.status).toBe(200);
    expect(JSON.parse(answer.text)).toEqual({ kind: 'string', characters: sent.body?.length });
  });

  it('may be empty, whatever they are called', async () => {
    const answer = await send('POST', '/results', {
      headers: { 'content-type': 'application/json', 'content-length': '0' },
    });
    expect(answer.status).toBe(200);
    expect(await send('POST', '/results')).toMatchObject({ status: 200 });
  });

  it('of a result may be many megabytes', async () => {
    const logs = 'frame= 1\n'.repeat(3_000_000);
    const answer = await send('POST', '/results', { body: logs });
    expect(JSON.parse(answer.text)).toEqual({ kind: 'string', characters: logs.length });
  });

  it('on our own routes must be JSON as ever', async () => {
    expect(await send('POST', '/api/v1/things', { body: '{}' })).toMatchObject({ status: 415 });
    const yaml = { headers: { 'content-type': 'text/yaml' }, body: 'a: 1' };
    expect(await send('POST', '/api/v1/things', yaml)).toMatchObject({ status: 415 });
  });
});
