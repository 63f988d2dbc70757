import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Controller, Get, Param, Res, type Type } from '@nestjs/common';
import { ModulesContainer } from '@nestjs/core';
import type { FastifyReply } from 'fastify';
import { Public, Requires } from '../../access/requires.js';
import { MasterIdentity } from '../../leadership/master-identity.js';
import { notFound } from '../../protocol/problem.js';

const PAGE = join(import.meta.dirname, '../docs-page');
const FILES: Readonly<Record<string, string>> = {
  'index.html': 'text/html; charset=utf-8',
  'docs.css': 'text/css; charset=utf-8',
  'docs.js': 'text/javascript; charset=utf-8',
};

/**
 * The description of the API, with a key as all data, and a page to read it. The page itself takes no key,
 * for a browser cannot send one with a link; it holds no data, asks for the key and fetches the rest with
 * it.
 */
@Controller()
export class OpenApiController {
  private document: Promise<object> | undefined;

  constructor(
    private readonly modules: ModulesContainer,
    private readonly identity: MasterIdentity,
  ) {}

  @Get('api/v1/openapi.json')
  @Requires('job:read')
  openApi(): Promise<object> {
    this.document ??= this.describe();
    return this.document;
  }

  @Get('docs')
  @Public()
  async page(@Res() reply: FastifyReply): Promise<void> {
    await send('index.html', reply);
  }

  @Get('docs/:file')
  @Public()
  async file(@Param('file') file: string, @Res() reply: FastifyReply): Promise<void> {
    await send(file, reply);
  }

  private async describe(): Promise<object> {
    const { openApiDocument } = await import('./openapi-document.js');
    const controllers = [...this.modules.values()].flatMap((module) =>
      [...module.controllers.values()].map(({ metatype }) => metatype as Type),
    );
    return openApiDocument(controllers, this.identity.version);
  }
}

async function send(file: string, reply: FastifyReply): Promise<void> {
  const type = Object.hasOwn(FILES, file) ? FILES[file] : undefined;
  if (type === undefined) throw notFound('There is no such page. /docs is the one to read.');
  reply
    .header('content-type', type)
    .header(
      'content-security-policy',
      "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    )
    .header('referrer-policy', 'no-referrer')
    .send(await readFile(join(PAGE, file)));
}
