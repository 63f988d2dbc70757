import { describe, expect, it } from 'vitest';
import { isOldStart, readOldStart } from './old-flags.js';

const read = (argv: readonly string[], env: NodeJS.ProcessEnv = {}, files: readonly string[] = []) =>
  readOldStart(argv, { env, exists: (path) => files.includes(path) });

const ON = { 'api.tls_enabled': 'true' };
const OFF = { 'api.tls_enabled': 'false' };

describe('the old way to start', () => {
  it.each([
    [['-port', '8080'], true],
    [['-tls=false'], true],
    [['-api-key', 'x'], true],
    [['--db-type=postgres'], true],
    [['--db-dsn', 'postgresql://h/d', '--port', '1'], true],
    [['-config', 'x.yaml'], true],
    [[], false],
    [['--port', '8080'], false],
    [['--config', 'config-postgres.yaml'], false],
    [['--tls', '--log-level', 'debug'], false],
    [['--set', 'retry.max_retries=5'], false],
    [['-h'], false],
    [['--metrics-port', '9091'], false],
  ])('%j: %s', (argv, old) => {
    expect(isOldStart(argv)).toBe(old);
  });
});

describe('flags', () => {
  it('are settings of ours', () => {
    const flags = [
      ...['-port', '8443', '-db-type', 'postgresql', '-db-dsn', 'postgresql://u:p@h/d', '-max-retries=5'],
      ...['-metrics', '-metrics-port=9191', '-scheduler-interval', '10s', '-cleanup-retention', '14'],
      ...['-log-level', 'DEBUG', '-tls=false', '-tracing=false', '-tracing-endpoint', 'localhost:4318'],
    ];
    expect(read(flags)).toMatchObject({
      settings: {
        'api.port': '8443',
        'database.type': 'postgres',
        'database.dsn': 'postgresql://u:p@h/d',
        'retry.max_retries': '5',
        'metrics.port': '9191',
        'scheduler.scheduling_interval': '10s',
        'retention.history': '14d',
        'logging.level': 'debug',
      },
      notes: [],
    });
  });

  it('may stand beside flags of ours', () => {
    expect(read(['-tls=false', '--set', 'retry.max_retries=5', '-config=x.yaml']).ours).toEqual([
      '--set',
      'retry.max_retries=5',
      '--config',
      'x.yaml',
    ]);
  });

  it('keep history for ever without a cleanup', () => {
    for (const flags of [
      ['-cleanup=false', '-cleanup-retention', '7'],
      ['-cleanup-retention', '7', '-cleanup=false'],
    ])
      expect(read(['-tls=false', ...flags]).settings).toEqual({ ...OFF, 'retention.history': '36500d' });
  });

  it('give way to the two variables that won over them', () => {
    const env = { DATABASE_TYPE: 'postgres', DATABASE_DSN: 'postgresql://h/d' };
    const start = read(['-tls=0', '-db-type', 'sqlite', '-db-dsn', 'postgresql://other/d'], env);
    expect(start.settings).toEqual(OFF);
    expect(start.notes).toHaveLength(2);
  });

  it.each<[readonly string[], NodeJS.ProcessEnv, string | undefined]>([
    [['-api-key', 'of the flag'], { MASTER_API_KEY: 'a', FFMPEG_RTMP_API_KEY: 'b' }, 'of the flag'],
    [['-port', '1'], { MASTER_API_KEY: 'a', FFMPEG_RTMP_API_KEY: 'b' }, 'a'],
    [['-port', '1'], { MASTER_API_KEY: '', FFMPEG_RTMP_API_KEY: 'b' }, 'b'],
    [['-port', '1'], {}, undefined],
  ])('%j with %j: the key is %s', (argv, env, key) => {
    expect(read(argv, env).apiKey).toBe(key);
  });
});

describe('TLS', () => {
  const CERTS = ['certs/master.crt', 'certs/master.key'];

  it('is on where nothing else is written, and as the flag says in any case', () => {
    expect(read(['-port', '1'])).toMatchObject({ settings: { 'api.port': '1' }, defaults: ON });
    expect(read(['-tls', '-port', '1'])).toMatchObject({
      settings: { ...ON, 'api.port': '1' },
      defaults: {},
    });
    expect(read(['-tls=false', '-port', '1'])).toMatchObject({
      settings: { ...OFF, 'api.port': '1' },
      defaults: {},
    });
  });

  it('shows what is named, else what the file names, else what lies where it always lay, and is self-signed else', () => {
    const found = { 'api.tls_cert_path': 'certs/master.crt', 'api.tls_key_path': 'certs/master.key' };
    expect(read(['-tls'], {}, CERTS)).toMatchObject({ settings: ON, defaults: found });
    expect(read(['-tls'], {}, CERTS).settings).toEqual(ON);
    expect(read(['-cert', 'a.crt', '-key', 'a.key'])).toMatchObject({
      settings: { 'api.tls_cert_path': 'a.crt', 'api.tls_key_path': 'a.key' },
      defaults: ON,
    });
    for (const [flags, files] of [
      [['-tls'], []],
      [['-tls'], CERTS.slice(1)],
      [['-tls', '-generate-cert'], CERTS],
    ] as const) {
      const start = read(flags, {}, files);
      expect(start).toMatchObject({ settings: ON, defaults: {} });
      expect(start.notes).toEqual([expect.stringContaining('self-signed')]);
    }
  });

  it('asks clients for certificates where it was told to', () => {
    expect(read(['-mtls', '-ca', 'ca.pem']).settings).toMatchObject({ 'api.client_ca_path': 'ca.pem' });
    expect(read(['-ca', 'ca.pem']).settings).not.toHaveProperty('api.client_ca_path');
  });
});

describe('what cannot be honoured', () => {
  it.each<[readonly string[], RegExp]>([
    [['-db', 'master.db'], /import --from sqlite:master\.db/],
    [['-db', ''], /memory/],
    [['-db-type', 'sqlite'], /import/],
    [['-mtls'], /-ca/],
    [['-cert-ips', '10.0.0.1'], /-cert and -key/],
    [['-cert-hosts', 'a,b'], /-cert and -key/],
    [['-metrics=false'], /-metrics-port/],
    [['-tracing'], /traces/],
    [['-tls=maybe'], /=true or =false/],
    [['-cleanup-retention', 'a week'], /days/],
    [['-port'], /needs a value/],
    [['-port', '1', 'serve'], /is no flag/],
    [['-api-key=my secret', '-nothing=my secret'], /-nothing is a flag of neither/],
  ])('%j is refused with the reason', (argv, why) => {
    expect(() => read(argv)).toThrow(why);
    expect(() => read(argv)).not.toThrow(/my secret/);
  });
});
