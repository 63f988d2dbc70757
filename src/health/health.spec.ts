import type { FastifyReply } from 'fastify';
import { Test } from '@nestjs/testing';
import { TerminusModule } from '@nestjs/terminus';
import { beforeEach, describe, expect, it } from 'vitest';
import { LocalSignals } from '../../test/support/local-signals.js';
import { DatabaseStartup } from '../database/database-startup.js';
import { Leadership } from '../leadership/leadership.js';
import { Draining } from '../signals/draining.js';
import { Signals } from '../signals/signals.js';
import { DatabaseIndicator } from './database.indicator.js';
import { DrainingIndicator } from './draining.indicator.js';
import { HealthController } from './health.controller.js';
import { ListenerIndicator } from './listener.indicator.js';
import { MigrationsIndicator } from './migrations.indicator.js';
import { PingRepository } from './ping.repository.js';

const signals = new LocalSignals();
const startup = { phase: 'ready' };
const leadership = { isLeader: () => false };
let draining: Draining;
let pings: number;
let ping: () => Promise<void>;
let health: HealthController;

beforeEach(async () => {
  signals.listenerState = 'up';
  startup.phase = 'ready';
  leadership.isLeader = () => false;
  pings = 0;
  ping = () => Promise.resolve();
  draining = new Draining();
  const module = await Test.createTestingModule({
    imports: [TerminusModule.forRoot({ logger: false })],
    controllers: [HealthController],
    providers: [
      DatabaseIndicator,
      DrainingIndicator,
      ListenerIndicator,
      MigrationsIndicator,
      { provide: Draining, useValue: draining },
      { provide: Signals, useValue: signals },
      { provide: DatabaseStartup, useValue: startup },
      { provide: Leadership, useValue: leadership },
      {
        provide: PingRepository,
        useValue: {
          ping: () => {
            pings += 1;
            return ping();
          },
        },
      },
    ],
  }).compile();
  health = module.get(HealthController);
});

describe('/health/ready', () => {
  it('is 200 where everything is there', async () => {
    const { status, body } = await ready();
    expect([status, body.status]).toEqual([200, 'ok']);
  });

  it('names a database that refuses, and not where it is', async () => {
    ping = () => Promise.reject(new Error('connect ECONNREFUSED 10.0.0.9:5432'));
    const { status, body } = await ready();
    expect([status, Object.keys(body.error ?? {})]).toEqual([503, ['database']]);
    expect(JSON.stringify(body)).not.toContain('10.0.0.9');
  });

  it('answers within a second where the database never does, and asks it once', async () => {
    ping = () => new Promise(() => undefined);
    const began = performance.now();
    const answers = await Promise.all([ready(), ready(), ready()]);
    expect(performance.now() - began).toBeLessThan(1000);
    expect(answers.map(({ status }) => status)).toEqual([503, 503, 503]);
    expect(pings).toBe(1);
  });

  it('names a schema that is not there, with the mend', async () => {
    startup.phase = 'waiting_for_schema';
    const { status, body } = await ready();
    expect(status).toBe(503);
    expect(body.error).toEqual({
      migrations: { status: 'down', message: 'the schema is not there yet; run `ffmpeg-master migrate up`' },
    });
  });

  it('is 503 while draining', async () => {
    draining.begin();
    const { status, body } = await ready();
    expect([status, Object.keys(body.error ?? {})]).toEqual([503, ['draining']]);
  });

  it('stays 200 with a degraded listener, and says so', async () => {
    signals.listenerState = 'degraded';
    const { status, body } = await ready();
    expect([status, body.status]).toEqual([200, 'degraded']);
    expect(body.details.listener).toMatchObject({ status: 'degraded' });
  });
});

describe('the other probes', () => {
  it('are healthy and alive whatever the database does', async () => {
    ping = () => Promise.reject(new Error('gone'));
    expect(await health.health()).toEqual({ status: 'healthy', database: 'down' });
    expect(health.live()).toEqual({ status: 'alive' });
  });

  it('tell the leader from the others', () => {
    const { reply, status } = replying();
    expect(health.leader(reply)).toEqual({ leader: false });
    expect(status()).toBe(503);
    leadership.isLeader = () => true;
    expect(health.leader(reply)).toEqual({ leader: true });
    expect(status()).toBe(200);
  });
});

async function ready() {
  const { reply, status } = replying();
  const body = await health.ready(reply);
  return { status: status(), body };
}

function replying() {
  let code = 0;
  return {
    reply: { status: (given: number) => (code = given) } as unknown as FastifyReply,
    status: () => code,
  };
}
