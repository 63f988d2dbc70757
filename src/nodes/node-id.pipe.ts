import { Injectable, type PipeTransform } from '@nestjs/common';
import { nodeNotFound } from './nodes.service.js';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/**
 * A node's id in a path, in lower case: PostgreSQL takes either, but what masters keep in memory is found by
 * the text as the database writes it. 404 for what can name no node.
 */
@Injectable()
export class NodeIdPipe implements PipeTransform<string, string> {
  transform(id: string): string {
    const lower = id.toLowerCase();
    if (!UUID.test(lower)) throw nodeNotFound();
    return lower;
  }
}
