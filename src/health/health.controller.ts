import { Controller, Get, HttpCode, Res } from '@nestjs/common';
import { HealthCheckService, type HealthCheckResult } from '@nestjs/terminus';
import type { FastifyReply } from 'fastify';
import { Public } from '../access/requires.js';
import { Leadership } from '../leadership/leadership.js';
import { DatabaseIndicator } from './database.indicator.js';
import { DrainingIndicator } from './draining.indicator.js';
import { ListenerIndicator } from './listener.indicator.js';
import { MigrationsIndicator } from './migrations.indicator.js';

export interface Health {
  status: 'healthy';
  database: 'up' | 'down';
}

/** The probes. They take no key and tell no names. */
@Public()
@Controller('health')
export class HealthController {
  constructor(
    private readonly checks: HealthCheckService,
    private readonly database: DatabaseIndicator,
    private readonly migrations: MigrationsIndicator,
    private readonly draining: DrainingIndicator,
    private readonly listener: ListenerIndicator,
    private readonly leadership: Leadership,
  ) {}

  /** 200 while the process lives, as ffmpeg-rtmp's. */
  @Get()
  async health(): Promise<Health> {
    const { database } = await this.database.check();
    return { status: 'healthy', database: database.status === 'up' ? 'up' : 'down' };
  }

  /** 200 while the process lives; asks nothing of anybody. */
  @Get('live')
  live(): { status: 'alive' } {
    return { status: 'alive' };
  }

  /** 200 where requests can be served, else 503 naming the parts that fail. */
  @Get('ready')
  async ready(@Res({ passthrough: true }) reply: FastifyReply): Promise<HealthCheckResult> {
    const result = await this.check();
    reply.status(result.status === 'error' || result.status === 'shutting_down' ? 503 : 200);
    return result;
  }

  /** 200 on the leader alone, for whoever must reach that one. */
  @Get('leader')
  @HttpCode(200)
  leader(@Res({ passthrough: true }) reply: FastifyReply): { leader: boolean } {
    const leader = this.leadership.isLeader();
    reply.status(leader ? 200 : 503);
    return { leader };
  }

  private async check(): Promise<HealthCheckResult> {
    try {
      return await this.checks.check([
        () => this.database.check(),
        () => this.migrations.check(),
        () => this.draining.check(),
        () => this.listener.check(),
      ]);
    } catch (error) {
      // Terminus throws the answer where a part is down.
      return (error as { getResponse(): HealthCheckResult }).getResponse();
    }
  }
}
