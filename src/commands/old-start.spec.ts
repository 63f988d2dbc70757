import { afterEach, beforeEach, expect, it, vi } from 'vitest';
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
  expect(argv).toEqual(['--set', 'api.port=8443', '--config', 'x.yaml']);
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
