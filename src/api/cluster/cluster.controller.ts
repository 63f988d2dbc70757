import { Controller, Get, HttpCode, Post } from '@nestjs/common';
import { Requires } from '../../access/requires.js';
import { Leadership } from '../../leadership/leadership.js';
import { MastersService, type Cluster } from '../../leadership/masters.service.js';
import { conflict } from '../../protocol/problem.js';

@Controller('api/v1/cluster')
export class ClusterController {
  constructor(
    private readonly masters: MastersService,
    private readonly leadership: Leadership,
  ) {}

  @Get()
  @Requires('cluster:read')
  cluster(): Promise<Cluster> {
    return this.masters.cluster();
  }

  /** Gives leadership up, if it is this master that leads; another one takes it within 200 ms. */
  @Post('resign')
  @HttpCode(200)
  @Requires('cluster:resign')
  async resign(): Promise<{ resigned: true }> {
    if (await this.leadership.resign()) return { resigned: true };
    const { leader, masters } = await this.masters.cluster();
    const url = masters.find(({ id }) => id === leader)?.url;
    throw conflict(
      url
        ? `This master does not lead. Send the request to the leader, ${url}.`
        : 'This master does not lead, and at the moment nobody does.',
      { leader },
    );
  }
}
