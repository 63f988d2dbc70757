import { SetMetadata } from '@nestjs/common';
import type { Permission } from './permissions.js';

/** Metadata keys, for the guard and for whoever lists routes. */
export const REQUIRED_PERMISSION = 'ffmpeg-master:required-permission';
export const PUBLIC_ROUTE = 'ffmpeg-master:public-route';

/** The permission that a route takes. A route without it is refused to everybody. */
export const Requires = (permission: Permission) => SetMetadata(REQUIRED_PERMISSION, permission);

/** A route that takes no key: the probes, and pages that hold no data. */
export const Public = () => SetMetadata(PUBLIC_ROUTE, true);
