import { Module } from '@nestjs/common';
import { LeadershipModule } from '../../leadership/leadership.module.js';
import { OpenApiController } from './openapi.controller.js';

@Module({ imports: [LeadershipModule], controllers: [OpenApiController] })
export class OpenApiModule {}
