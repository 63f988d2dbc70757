import { Type } from 'class-transformer';
import { IsIn, IsInt, IsOptional, IsUUID, Max, Min } from 'class-validator';
import { NODE_STATUSES, type NodeStatus } from './node-view.js';

/** `GET /api/v1/nodes`. */
export class ListNodesQuery {
  @IsOptional() @IsIn(NODE_STATUSES) status?: NodeStatus;
  /** Nodes a page, 1 to 500; default 50. */
  @IsOptional() @Type(() => Number) @IsInt() @Min(1) @Max(500) limit?: number;
  /** `next_cursor` of the page before. */
  @IsOptional()
  @IsUUID(undefined, { message: '$property must be the next_cursor of a page' })
  cursor?: string;
}
