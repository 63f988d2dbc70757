import { Body, Controller, Delete, Get, HttpCode, Param, Post, Query, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { CurrentPrincipal } from '../access/current-principal.js';
import type { Principal } from '../access/principal.js';
import { Requires } from '../access/requires.js';
import { NodeRegistration, type RegisteredNode } from '../protocol/node-registration.js';
import { NodeIdPipe } from './node-id.pipe.js';
import type { NodeView } from './node-view.js';
import { ListNodesQuery } from './nodes-query.js';
import { NodesService, type NodePage } from './nodes.service.js';

@Controller('api/v1/nodes')
export class NodesController {
  constructor(private readonly nodes: NodesService) {}

  /** 201 for a new node, 200 for one that is known. */
  @Post()
  @Requires('node:register')
  async register(
    @CurrentPrincipal() principal: Principal,
    @Body() sent: NodeRegistration,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<NodeView & RegisteredNode> {
    const { node, created } = await this.nodes.register(principal, sent);
    reply.status(created ? 201 : 200);
    return node;
  }

  @Get()
  @Requires('node:read')
  list(@CurrentPrincipal() principal: Principal, @Query() query: ListNodesQuery): Promise<NodePage> {
    return this.nodes.list(principal, query);
  }

  @Get(':id')
  @Requires('node:read')
  get(@CurrentPrincipal() principal: Principal, @Param('id', NodeIdPipe) id: string): Promise<NodeView> {
    return this.nodes.get(principal, id);
  }

  @Delete(':id')
  @HttpCode(204)
  @Requires('node:delete')
  remove(@CurrentPrincipal() principal: Principal, @Param('id', NodeIdPipe) id: string): Promise<void> {
    return this.nodes.remove(principal, id);
  }

  @Post(':id/drain')
  @HttpCode(200)
  @Requires('node:update')
  drain(@CurrentPrincipal() principal: Principal, @Param('id', NodeIdPipe) id: string): Promise<NodeView> {
    return this.nodes.setDraining(principal, id, true);
  }

  @Post(':id/resume')
  @HttpCode(200)
  @Requires('node:update')
  resume(@CurrentPrincipal() principal: Principal, @Param('id', NodeIdPipe) id: string): Promise<NodeView> {
    return this.nodes.setDraining(principal, id, false);
  }
}
