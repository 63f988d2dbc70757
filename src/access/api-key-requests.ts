import { Type } from 'class-transformer';
import {
  ArrayMaxSize,
  ArrayMinSize,
  ArrayUnique,
  IsArray,
  IsIn,
  IsInt,
  IsOptional,
  IsUUID,
  Matches,
  Max,
  Min,
} from 'class-validator';
import { IsFlagText } from '../protocol/flag-text.js';
import { IsTimestamp } from '../protocol/is-timestamp.js';
import { PERMISSIONS, ROLES, type Permission, type Role } from './permissions.js';

/** `POST /api/v1/keys`. */
export class CreateApiKey {
  /** What it is for, such as `ci` or `dashboard`; need not be unique. */
  @Matches(/^[A-Za-z0-9][A-Za-z0-9_.:@-]{0,63}$/) name: string;
  @IsIn(ROLES) role: Role;
  /** Of the role's permissions those that this key has; absent means all. */
  @IsOptional()
  @IsArray()
  @ArrayMinSize(1)
  @ArrayMaxSize(PERMISSIONS.length)
  @ArrayUnique()
  @IsIn(PERMISSIONS, { each: true })
  scopes?: Permission[];
  /** From then on it is nobody's. */
  @IsOptional() @IsTimestamp() expires_at?: string;
}

/** `POST /api/v1/keys/{id}/rotate`. */
export class RotateApiKey {
  /** For how long the old key still works beside the new one; default a day. */
  @IsOptional() @IsInt() @Min(0) @Max(2_592_000) overlap_seconds?: number;
}

/** `GET /api/v1/keys`. */
export class ListApiKeysQuery {
  /** Also those that are revoked or expired. */
  @IsOptional() @IsFlagText() all?: boolean;
  /** Keys a page, 1 to 500; default 50. */
  @IsOptional() @Type(() => Number) @IsInt() @Min(1) @Max(500) limit?: number;
  /** `next_cursor` of the page before. */
  @IsOptional()
  @IsUUID(undefined, { message: '$property must be the next_cursor of a page' })
  cursor?: string;
}
