import { Controller, Delete, Get, Post, Put } from '@nestjs/common';
import { Requires } from '../access/requires.js';
import { OldWireError } from './wire/old-wire-error.js';

/** `/tenants` of ffmpeg-rtmp: as over there, until there are tenants. */
@Controller('tenants')
export class OldTenantsController {
  @Post()
  @Requires('tenant:update')
  create(): never {
    throw notYet();
  }

  @Get()
  @Requires('tenant:read')
  list(): never {
    throw notYet();
  }

  @Get([':id', ':id/stats', ':id/jobs', ':id/nodes'])
  @Requires('tenant:read')
  get(): never {
    throw notYet();
  }

  @Put(':id')
  @Requires('tenant:update')
  update(): never {
    throw notYet();
  }

  @Delete(':id')
  @Requires('tenant:delete')
  remove(): never {
    throw notYet();
  }
}

function notYet(): OldWireError {
  return new OldWireError(501, 'Tenant management not yet implemented');
}
