import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import * as settingsOfMasters from './master-settings.js';
import { define } from './serve.js';
import { Misuse } from './failures.js';
import { translateOldStart } from './old-start.js';

let told = '';
beforeEach(() => {
  told = '';
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => Boolean((told += String(text))));
});
afterEach(() => vi.restoreAllMocks());

it('leaves arguments of ours alone', () => {
  const argv = ['--config', 'x.yaml', '--port', '8081'];
  expect(translateOldStart(argv, {})).toBe(argv);
  expect(told).toBe('');
});

it('puts the old ones into ours, and the key into the environment', () => {
  const env: NodeJS.ProcessEnv = {};
  const argv = translateOldStart(['-port=8443', '-tls=false', '-api-key', 'k', '-config', 'x.yaml'], env);
  expect(argv).toEqual(['--set', 'api.port=8443', '--set', 'api.tls_enabled=false', '--config', 'x.yaml']);
  expect(env).toEqual({ MASTER_API_KEY: 'k' });
  expect(told).toBe(
    'ffmpeg-master: -api-key can be read by everybody who lists processes; set MASTER_API_KEY instead\n',
  );
});

it('takes the key of the old environment where there is no other', () => {
  const env: NodeJS.ProcessEnv = { FFMPEG_RTMP_API_KEY: 'old' };
  translateOldStart([], env);
  expect(env.MASTER_API_KEY).toBe('old');
  const both: NodeJS.ProcessEnv = { FFMPEG_RTMP_API_KEY: 'old', MASTER_API_KEY: 'new' };
  translateOldStart([], both);
  expect(both.MASTER_API_KEY).toBe('new');
});

it('is wrong usage where a flag cannot be honoured', () => {
  expect(() => translateOldStart(['-db', 'master.db'], {})).toThrow(Misuse);
  expect(() => translateOldStart(['-port'], {})).toThrow(Misuse);
});

describe('TLS of an old start', () => {
  const folder = mkdtempSync(join(tmpdir(), 'old-start-'));
  afterAll(() => rmSync(folder, { recursive: true }));
  const CERTIFICATE = 'tls_cert_path: /etc/own.crt, tls_key_path: /etc/own.key';

  /** As `serve` reads them; it starts nothing, for it has no key. */
  async function apiOf(
    flags: readonly string[],
    yaml: string,
    env: NodeJS.ProcessEnv,
    more: readonly string[] = [],
  ) {
    const file = join(folder, 'x.yaml');
    writeFileSync(file, yaml);
    const read = vi.spyOn(settingsOfMasters, 'masterSettings');
    for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value);
    for (const name of ['MASTER_API_KEY', 'FFMPEG_RTMP_API_KEY', 'DATABASE_DSN']) vi.stubEnv(name, '');
    vi.spyOn(process, 'on').mockReturnThis();
    const command = new Command('serve').exitOverride();
    define(command);
    const argv = translateOldStart(['-port', '8443', ...flags, '-config', file], {});
    await expect(command.parseAsync([...argv, ...more], { from: 'user' })).rejects.toThrow(
      /set MASTER_API_KEY/,
    );
    vi.unstubAllEnvs();
    return read.mock.results[0]?.value.api as { tls_enabled: boolean; tls_cert_path?: string };
  }

  it.each<[string, readonly string[], string, NodeJS.ProcessEnv, boolean]>([
    ['nothing says otherwise', [], '{}', {}, true],
    ['the file turns it off', [], 'api: { tls_enabled: false }', {}, false],
    ['the environment does', [], 'api: { tls_enabled: true }', { API_TLS_ENABLED: 'false' }, false],
    ['the flag does, against the file', ['-tls=false'], 'api: { tls_enabled: true }', {}, false],
    [
      'the flag turns it on, against both',
      ['-tls'],
      'api: { tls_enabled: false }',
      { API_TLS_ENABLED: 'false' },
      true,
    ],
  ])('%s', async (_, flags, yaml, env, on) => {
    expect((await apiOf(flags, yaml, env)).tls_enabled).toBe(on);
  });

  it('shows the certificate that the file names, also where another lies where it always lay', async () => {
    const found = [
      '--unless-set=api.tls_cert_path=certs/master.crt',
      '--unless-set=api.tls_key_path=certs/master.key',
    ];
    expect((await apiOf([], '{}', {}, found)).tls_cert_path).toBe('certs/master.crt');
    vi.restoreAllMocks();
    expect((await apiOf([], `api: { ${CERTIFICATE} }`, {}, found)).tls_cert_path).toBe('/etc/own.crt');
  });
});
