/** deploy/haproxy/haproxy.cfg in a real HAProxy, before masters that are only doors: ready, or not. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { describeWith } from '../support/optional-tool.js';
import { eventually } from '../support/eventually.js';
import { freePort } from '../support/free-port.js';

const CONFIG = join(import.meta.dirname, '../../deploy/haproxy/haproxy.cfg');

interface Door {
  server: Server;
  port: number;
  ready: boolean;
  answered: number;
}

describeWith('haproxy', '-v', () => {
  let folder: string;
  let doors: Door[];
  let balancer: ChildProcess;
  let url: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'haproxy-'));
    doors = await Promise.all([door(), door(), door()]);
    const port = await freePort();
    url = `http://127.0.0.1:${port}`;
    let config = (await readFile(CONFIG, 'utf8')).replace('bind :8080', `bind 127.0.0.1:${port}`);
    doors.forEach((one, n) => {
      config = config.replace(new RegExp(`(server master-${n + 1}) .*`), `$1 127.0.0.1:${one.port}`);
    });
    await writeFile(join(folder, 'haproxy.cfg'), config);
    balancer = spawn('haproxy', ['-db', '-f', join(folder, 'haproxy.cfg')], { stdio: 'ignore' });
    await eventually(async () => expect((await fetch(url)).status).toBe(200), { within: 10_000 });
  });

  afterAll(async () => {
    balancer.kill();
    for (const { server } of doors) server.close().closeAllConnections();
    await rm(folder, { recursive: true });
  });

  it('spreads requests over every ready master', async () => {
    await ask(url, 30);
    for (const { answered } of doors) expect(answered).toBeGreaterThan(0);
  });

  it('sends nothing more to a master that is draining, and comes back to it', async () => {
    const leaving = doors[0] as Door;
    leaving.ready = false;
    await eventually(async () => {
      leaving.answered = 0;
      await ask(url, 30);
      expect(leaving.answered).toBe(0);
    });
    leaving.ready = true;
    await eventually(async () => {
      await ask(url, 30);
      expect(leaving.answered).toBeGreaterThan(0);
    });
  });

  it('lets a claim wait its 60 s', async () => {
    const text = await readFile(CONFIG, 'utf8');
    for (const side of ['client', 'server']) {
      const seconds = new RegExp(`timeout ${side} (\\d+)s`).exec(text)?.[1];
      expect(Number(seconds)).toBeGreaterThan(60 + 10);
    }
  });
});

async function ask(url: string, times: number): Promise<void> {
  for (let n = 0; n < times; n += 1) expect((await fetch(url)).status).toBe(200);
}

async function door(): Promise<Door> {
  const one: Door = { server: createServer(), port: 0, ready: true, answered: 0 };
  one.server.on('request', (request, response) => {
    if (request.url === '/health/ready') response.statusCode = one.ready ? 200 : 503;
    else one.answered += 1;
    response.end();
  });
  one.port = await freePort();
  await once(one.server.listen(one.port, '127.0.0.1'), 'listening');
  return one;
}
