import { Body, Controller, Delete, Get, Param, Post, Query } from '@nestjs/common';
import type { ApiKeyView, MintedApiKeyView } from './api-key-row.js';
import { CreateApiKey, ListApiKeysQuery, RotateApiKey } from './api-key-requests.js';
import { apiKeyId, type ApiKeyPage, ApiKeysService } from './api-keys.service.js';
import { CurrentPrincipal } from './current-principal.js';
import type { Principal } from './principal.js';
import { Requires } from './requires.js';

@Controller('api/v1/keys')
export class ApiKeysController {
  constructor(private readonly keys: ApiKeysService) {}

  /** The only answer that shows the key. */
  @Post()
  @Requires('apikey:create')
  create(@CurrentPrincipal() principal: Principal, @Body() wanted: CreateApiKey): Promise<MintedApiKeyView> {
    return this.keys.create(principal, wanted);
  }

  @Get()
  @Requires('apikey:read')
  list(@CurrentPrincipal() principal: Principal, @Query() query: ListApiKeysQuery): Promise<ApiKeyPage> {
    return this.keys.list(principal, query);
  }

  @Get(':id')
  @Requires('apikey:read')
  get(@CurrentPrincipal() principal: Principal, @Param('id') id: string): Promise<ApiKeyView> {
    return this.keys.get(principal, apiKeyId(id));
  }

  @Delete(':id')
  @Requires('apikey:revoke')
  revoke(@CurrentPrincipal() principal: Principal, @Param('id') id: string): Promise<ApiKeyView> {
    return this.keys.revoke(principal, apiKeyId(id));
  }

  @Post(':id/rotate')
  @Requires('apikey:create')
  rotate(
    @CurrentPrincipal() principal: Principal,
    @Param('id') id: string,
    @Body() wanted: RotateApiKey,
  ): Promise<MintedApiKeyView> {
    return this.keys.rotate(principal, apiKeyId(id), wanted);
  }
}
