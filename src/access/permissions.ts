/**
 * What a key may do, and which roles may do it: the one table. Names as ffmpeg-rtmp planned them, and ours
 * for what it did not have.
 */

export const PERMISSIONS = [
  'job:create',
  'job:read',
  'job:update',
  'job:delete',
  'job:cancel',
  'job:claim',
  'job:report',
  'node:register',
  'node:read',
  'node:update',
  'node:delete',
  'queue:read',
  'queue:pause',
  'cluster:read',
  'cluster:resign',
  'tenant:read',
  'tenant:update',
  'tenant:delete',
  'user:create',
  'user:read',
  'user:update',
  'user:delete',
  'apikey:create',
  'apikey:read',
  'apikey:revoke',
  'audit:read',
  'metrics:read',
] as const;
export type Permission = (typeof PERMISSIONS)[number];

export const ROLES = ['superadmin', 'admin', 'operator', 'developer', 'viewer', 'worker'] as const;
export type Role = (typeof ROLES)[number];

const READING: readonly Permission[] = [
  'job:read',
  'node:read',
  'queue:read',
  'cluster:read',
  'metrics:read',
];

/** superadmin differs from admin in its tenants (all of them), not in its permissions. */
export const ROLE_PERMISSIONS: Readonly<Record<Role, ReadonlySet<Permission>>> = {
  superadmin: new Set(PERMISSIONS),
  admin: new Set(PERMISSIONS),
  operator: new Set([
    ...READING,
    'job:create',
    'job:update',
    'job:cancel',
    'node:register',
    'node:update',
    'queue:pause',
    'cluster:resign',
    'tenant:read',
    'user:read',
    'apikey:read',
  ]),
  developer: new Set([...READING, 'job:create', 'job:cancel']),
  viewer: new Set([...READING, 'tenant:read']),
  worker: new Set(['node:register', 'job:claim', 'job:report']),
};
