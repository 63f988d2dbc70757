import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { Misuse } from '../failures.js';
import { readUrls, resolveConnection } from './connection.js';

const directory = mkdtempSync(join(tmpdir(), 'connection-'));
const keyFile = join(directory, 'api-key');
writeFileSync(keyFile, 'kept-key\n');
afterAll(() => rmSync(directory, { recursive: true }));

const local = { pid: 1, masters: ['http://127.0.0.1:8080', 'http://127.0.0.1:8081'], key_file: keyFile };

describe('where the masters are', () => {
  it('is told by the flag, then the environment, then the local cluster, then the default', () => {
    const env = { MASTER_URL: 'http://env:1' };
    expect(resolveConnection({ master: 'http://flag:1/,http://flag:2' }, env, local).masters).toEqual([
      'http://flag:1',
      'http://flag:2',
    ]);
    expect(resolveConnection({}, env, local).masters).toEqual(['http://env:1']);
    expect(resolveConnection({}, {}, local).masters).toEqual(local.masters);
    expect(resolveConnection({}, {}, undefined)).toEqual({ masters: ['http://127.0.0.1:8080'] });
  });

  it('must be URLs', () => {
    for (const wrong of ['localhost:8080', 'ftp://x', '', 'http://a, ', 'http://user:pw@host']) {
      expect(() => readUrls(wrong)).toThrow(Misuse);
    }
  });
});

describe('the key', () => {
  it('comes from the flag, then the environment, then the local cluster', () => {
    expect(resolveConnection({ keyFile }, { MASTER_API_KEY: 'env-key' }, local).key).toBe('kept-key');
    expect(resolveConnection({}, { MASTER_API_KEY: 'env-key' }, local).key).toBe('env-key');
    expect(resolveConnection({}, {}, local).key).toBe('kept-key');
    expect(resolveConnection({ master: 'http://localhost:8081' }, {}, local).key).toBe('kept-key');
  });

  it('of the local cluster reaches no other host', () => {
    expect(resolveConnection({ master: 'http://elsewhere:8080' }, {}, local).key).toBeUndefined();
    expect(
      resolveConnection({ master: 'http://127.0.0.1:8080,http://elsewhere:8080' }, {}, local).key,
    ).toBeUndefined();
  });

  it('must be readable', () => {
    expect(() => resolveConnection({ keyFile: join(directory, 'none') }, {}, undefined)).toThrow(
      /cannot be read \(ENOENT\)/,
    );
  });
});
