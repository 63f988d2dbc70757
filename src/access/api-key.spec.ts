import { describe, expect, it } from 'vitest';
import { digestOfKey, mintKey, prefixOfKey } from './api-key.js';
import { permissionsOf } from './api-key-row.js';
import { ROLE_PERMISSIONS, type Role } from './permissions.js';

describe('a key that a master makes', () => {
  it('holds 256 random bits behind a prefix that names it', () => {
    const keys = Array.from({ length: 200 }, mintKey);
    for (const { key, prefix, digest } of keys) {
      expect(prefix).toMatch(/^fmk_[0-9a-f]{12}$/);
      expect(key.startsWith(`${prefix}_`)).toBe(true);
      expect(Buffer.from(key.slice(prefix.length + 1), 'base64url')).toHaveLength(32);
      expect(prefixOfKey(key)).toBe(prefix);
      expect(digestOfKey(key)).toEqual(digest);
    }
    expect(new Set(keys.map(({ key }) => key)).size).toBe(keys.length);
  });

  it.each([
    '',
    'fmk_',
    'correct horse battery staple',
    `fmk_0123456789ab_${'x'.repeat(42)}`,
    `fmk_0123456789ab_${'x'.repeat(44)}`,
  ])('is told from what no master made without asking the database: %j', (key) =>
    expect(prefixOfKey(key)).toBeUndefined(),
  );
});

describe('what a key may do', () => {
  it('is what its role may, as far as its scopes go', () => {
    expect(permissionsOf({ role: 'developer', scopes: null })).toEqual(ROLE_PERMISSIONS.developer);
    expect([...permissionsOf({ role: 'developer', scopes: ['job:read', 'tenant:delete'] })]).toEqual([
      'job:read',
    ]);
  });

  it('is nothing where a later version made it for a role that is not known here', () => {
    expect(permissionsOf({ role: 'auditor' as Role, scopes: null }).size).toBe(0);
  });
});
