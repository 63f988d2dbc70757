import type { ExecutionContext } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { describe, expect, it } from 'vitest';
import { Settings } from '../config/settings.js';
import { AccessGuard } from './access.guard.js';
import { AdminKeyVerifier } from './admin-key-verifier.js';
import type { Authenticated } from './current-principal.js';
import { ROLE_PERMISSIONS } from './permissions.js';
import { Public, Requires } from './requires.js';

const KEY = 'correct horse battery staple';

class Routes {
  @Requires('job:create') submit() {}
  @Public() probe() {}
  forgotten() {}
}

@Requires('job:read')
class ReadingRoutes {
  list() {}
}

@Requires('job:claim')
class ClaimingRoutes extends ReadingRoutes {}

const WORKER = { tenant_id: 'default', actor: 'w', permissions: ROLE_PERMISSIONS.worker };

describe('the guard', () => {
  it.each([
    ['absent', undefined],
    ['empty', ''],
    ['only blanks', '   '],
    ['a scheme without a key', 'Bearer'],
    ['a scheme and a blank', 'Bearer '],
    ['a scheme and blanks', 'Bearer     '],
    ['a key without a scheme', KEY],
    ['another scheme', `Basic ${Buffer.from(`admin:${KEY}`).toString('base64')}`],
    ['a longer scheme', `Bearers ${KEY}`],
    ['a scheme glued to the key', `Bearer${KEY}`],
    ['a tab instead of a blank', `Bearer\t${KEY}`],
    ['two schemes', `Bearer Bearer ${KEY}`],
    ['a wrong key', 'Bearer correct horse battery stapled'],
    ['the beginning of the key', `Bearer ${KEY.slice(0, -1)}`],
    ['the key in other case', `Bearer ${KEY.toUpperCase()}`],
    ['the key twice', `Bearer ${KEY}, Bearer ${KEY}`],
    ['the digest of the key', 'Bearer c4bbcb1fbec99d65bf59d85c8cb62ee2db963f0fe106f483d9afa73bd4e39a8a'],
  ])('answers 401 where the key is %s', async (_case, authorization) => {
    await expect(enter(Routes, 'submit', { authorization })).rejects.toMatchObject({ status: 401 });
  });

  it('lets the admin key in, whatever the case of the scheme', async () => {
    for (const scheme of ['Bearer', 'bearer', 'BEARER']) {
      const request = await enter(Routes, 'submit', { authorization: `${scheme} ${KEY}` });
      expect(request.principal).toMatchObject({ tenant_id: 'default', actor: 'admin' });
    }
  });

  it('refuses others as before once it knows the key', async () => {
    const settings = new Settings();
    settings.master_api_key = KEY;
    const keys = new AdminKeyVerifier(settings);
    for (let time = 0; time < 2; time += 1) {
      await expect(keys.verify(KEY)).resolves.toMatchObject({ actor: 'admin' });
      for (const other of ['', `${KEY} `, KEY.slice(1), KEY.toUpperCase()]) {
        await expect(keys.verify(other)).resolves.toBeUndefined();
      }
    }
  });

  it('tells apart controllers that inherit a route', async () => {
    const guard = new AccessGuard(new Reflector(), { verify: async () => WORKER });
    const enterBy = async (routes: Routing) =>
      guard.canActivate(entering(routes, 'list', { headers: { authorization: 'Bearer any' } }));
    for (let time = 0; time < 2; time += 1) {
      await expect(enterBy(ReadingRoutes)).rejects.toMatchObject({ status: 403 });
      await expect(enterBy(ClaimingRoutes)).resolves.toBe(true);
    }
  });

  it('compares bytes: a key beyond ASCII arrives as latin1', async () => {
    const authorization = `Bearer ${Buffer.from('schlüssel für die Sägemühle').toString('latin1')}`;
    await enter(Routes, 'submit', { authorization }, 'schlüssel für die Sägemühle');
  });

  it('knows nobody where no key is configured', async () => {
    await expect(
      enter(Routes, 'submit', { authorization: 'Bearer undefined' }, undefined),
    ).rejects.toMatchObject({
      status: 401,
    });
    await expect(enter(Routes, 'submit', { authorization: 'Bearer ' }, '')).rejects.toMatchObject({
      status: 401,
    });
  });

  it('reads the key from the header alone', async () => {
    await expect(enter(Routes, 'submit', { 'x-api-key': KEY })).rejects.toMatchObject({ status: 401 });
  });

  it('asks no key of a public route', async () => {
    expect((await enter(Routes, 'probe', {})).principal).toBeUndefined();
  });

  it('refuses a route that names no permission, to the admin too', async () => {
    await expect(enter(Routes, 'forgotten', { authorization: `Bearer ${KEY}` })).rejects.toMatchObject({
      status: 403,
    });
    await expect(enter(Routes, 'forgotten', {})).rejects.toMatchObject({ status: 401 });
  });

  it('takes the permission of the class where the route names none', async () => {
    await enter(ReadingRoutes, 'list', { authorization: `Bearer ${KEY}` });
  });

  it('refuses a key that lacks the permission, and names it', async () => {
    const guard = new AccessGuard(new Reflector(), { verify: async () => WORKER });
    const request = { headers: { authorization: 'Bearer any' } };
    await expect(guard.canActivate(entering(Routes, 'submit', request))).rejects.toMatchObject({
      status: 403,
      detail: 'This API key lacks the permission job:create.',
    });
  });
});

it('gives a worker nothing but registering, claiming and reporting', () => {
  expect([...ROLE_PERMISSIONS.worker].sort()).toEqual(['job:claim', 'job:report', 'node:register']);
});

type Routing = new () => object;

async function enter(
  routes: Routing,
  route: string,
  headers: Record<string, string | undefined>,
  ...configured: [key?: string]
): Promise<Authenticated> {
  const settings = new Settings();
  settings.master_api_key = configured.length > 0 ? configured[0] : KEY;
  const request: Authenticated & { headers: object } = { headers };
  const guard = new AccessGuard(new Reflector(), new AdminKeyVerifier(settings));
  expect(await guard.canActivate(entering(routes, route, request))).toBe(true);
  return request;
}

function entering(routes: Routing, route: string, request: object): ExecutionContext {
  const context = {
    getHandler: () => routes.prototype[route],
    getClass: () => routes,
    switchToHttp: () => ({ getRequest: () => request }),
  };
  return context as unknown as ExecutionContext;
}
