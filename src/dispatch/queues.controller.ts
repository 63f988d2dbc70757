import { Controller, Get, HttpCode, Param, Post } from '@nestjs/common';
import { CurrentPrincipal } from '../access/current-principal.js';
import type { Principal } from '../access/principal.js';
import { Requires } from '../access/requires.js';
import { QueuesService, type QueueView } from './queues.service.js';

@Controller('api/v1/queues')
export class QueuesController {
  constructor(private readonly queues: QueuesService) {}

  @Get()
  @Requires('queue:read')
  async list(@CurrentPrincipal() principal: Principal): Promise<{ items: QueueView[]; next_cursor: null }> {
    return { items: await this.queues.list(principal), next_cursor: null };
  }

  /** No job of a paused queue is claimed; what runs goes on. */
  @Post(':name/pause')
  @HttpCode(200)
  @Requires('queue:pause')
  pause(@CurrentPrincipal() principal: Principal, @Param('name') name: string): Promise<QueueView> {
    return this.queues.setPaused(principal, name, true);
  }

  @Post(':name/resume')
  @HttpCode(200)
  @Requires('queue:pause')
  resume(@CurrentPrincipal() principal: Principal, @Param('name') name: string): Promise<QueueView> {
    return this.queues.setPaused(principal, name, false);
  }
}
