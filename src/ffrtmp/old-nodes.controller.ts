import { Controller, Delete, Get, HttpCode, Param, Post, Req, Res, UseInterceptors } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { CurrentPrincipal } from '../access/current-principal.js';
import type { Principal } from '../access/principal.js';
import { Requires } from '../access/requires.js';
import { AgentAttempts } from './agent-attempts.service.js';
import { OldAnswer } from './old-answer.interceptor.js';
import { OldNodes } from './old-nodes.service.js';
import { UnknownNodes } from './unknown-nodes.js';

/** `/nodes` of ffmpeg-rtmp. */
@Controller('nodes')
@UseInterceptors(OldAnswer)
export class OldNodesController {
  constructor(
    private readonly nodes: OldNodes,
    private readonly attempts: AgentAttempts,
    private readonly unknown: UnknownNodes,
  ) {}

  /** 201 for a new node, 200 for one that is known. */
  @Post('register')
  @Requires('node:register')
  async register(
    @CurrentPrincipal() principal: Principal,
    @Req() { body }: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<object> {
    const { node, created } = await this.nodes.register(principal, body as string | undefined);
    reply.status(created ? 201 : 200);
    return node;
  }

  @Get()
  @Requires('node:read')
  list(@CurrentPrincipal() principal: Principal): Promise<object> {
    return this.nodes.list(principal);
  }

  @Get(':id')
  @Requires('node:read')
  get(@CurrentPrincipal() principal: Principal, @Param('id') id: string): Promise<object> {
    return this.nodes.get(principal, id);
  }

  @Delete(':id')
  @Requires('node:delete')
  async remove(@CurrentPrincipal() principal: Principal, @Param('id') id: string): Promise<object> {
    await this.nodes.remove(principal, id);
    return { node_id: id, status: 'removed' };
  }

  /** Exactly 200 with nothing in it: its agents take 204 for a failure. */
  @Post(':id/heartbeat')
  @HttpCode(200)
  @Requires('job:claim')
  async heartbeat(@Param('id') id: string): Promise<void> {
    await this.unknown.counted('heartbeat', id, () => this.attempts.beat(id));
  }
}
