import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ConfigurationError } from './configuration-error.js';
import { describeSettings } from './describe-settings.js';
import { loadSettings } from './load-settings.js';
import { environmentName, fixedKeys } from './setting-keys.js';
import { Settings } from './settings.js';

/** config-postgres.yaml as the guide for people coming from SQLite prints it. */
const guide = `database:
  type: postgres
  dsn: "postgresql://ffmpeg:password@localhost:5432/ffmpeg_rtmp?sslmode=require"
  max_open_conns: 25
  max_idle_conns: 5
  conn_max_lifetime: 5m
  conn_max_idle_time: 1m

api:
  port: 8080
  tls_enabled: true

scheduler:
  enabled: true
  scheduling_interval: 5s
  cleanup_interval: 30s
`;

const dsn = 'postgresql://u:p@h/d';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'ffmpeg-master-settings-'));
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

function load(yaml: string, env: NodeJS.ProcessEnv = {}, overrides = {}) {
  const configFile = join(folder, 'config.yaml');
  writeFileSync(configFile, yaml);
  return loadSettings({ configFile, env, overrides });
}

function refusal(act: () => unknown): ConfigurationError {
  try {
    act();
  } catch (error) {
    if (error instanceof ConfigurationError) return error;
    throw error;
  }
  throw new Error('nothing was refused');
}

describe('defaults', () => {
  it('are those of the interface', () => {
    const settings = loadSettings({ env: { XDG_STATE_HOME: '/state' } });
    const state = process.getuid?.() === 0 ? '/var/lib/ffmpeg-master' : '/state/ffmpeg-master';
    expect(settings).toBeInstanceOf(Settings);
    expect(describeSettings(settings)).toEqual({
      database: {
        type: 'embedded',
        data_dir: state,
        max_open_conns: 25,
        max_idle_conns: 5,
        conn_max_lifetime: '5m',
        conn_max_idle_time: '1m',
      },
      api: { host: '0.0.0.0', port: 8080, tls_enabled: false, trusted_proxies: [] },
      metrics: { port: 9090 },
      scheduler: {
        enabled: true,
        scheduling_interval: '5s',
        cleanup_interval: '30s',
        health_check_interval: '10s',
      },
      retry: { max_retries: 3, initial_backoff: '5s', max_backoff: '5m', backoff_multiplier: 2 },
      timeouts: {
        assigned_timeout: '30s',
        running_timeout_base: '5m',
        running_timeout_per_minute: '30s',
        heartbeat_timeout: '1m30s',
      },
      workers: {
        heartbeat_interval: '10s',
        lease_duration: '30s',
        recovery_check_interval: '5s',
        outage_grace: '10m',
        heartbeat_timeout: '1m30s',
      },
      worker: {
        output_dir: join(state, 'output'),
        work_dir: join(state, 'work'),
        input_roots: [],
        rtmp_hosts: [],
        metrics_port: 9191,
      },
      signals: { poll_interval: '1s' },
      retention: { history: '30d', logs: '7d' },
      queues: {},
      logging: { level: 'info', format: 'json' },
    });
  });

  it('hold for an empty file and for keys without a value', () => {
    const expected = loadSettings({ env: {} });
    expect(load('')).toEqual(expected);
    expect(load('api:\ndatabase:\n  dsn:\n')).toEqual(expected);
  });
});

describe("the guide's file", () => {
  it('loads as printed', () => {
    expect(load(guide)).toMatchObject({
      database: {
        type: 'postgres',
        dsn: 'postgresql://ffmpeg:password@localhost:5432/ffmpeg_rtmp?sslmode=require',
        max_open_conns: 25,
        max_idle_conns: 5,
        conn_max_lifetime: 300_000,
        conn_max_idle_time: 60_000,
      },
      api: { port: 8080, tls_enabled: true },
      scheduler: { enabled: true, scheduling_interval: 5_000, cleanup_interval: 30_000 },
    });
  });

  it("loads with the guide's environment in its place", () => {
    const env = {
      DATABASE_TYPE: 'postgres',
      DATABASE_DSN: 'postgresql://ffmpeg:password@localhost:5432/ffmpeg_rtmp?sslmode=require',
      MASTER_API_KEY: 'b3BlbnNzbCByYW5kIC1iYXNlNjQgMzIgYnl0ZXM=',
    };
    const settings = loadSettings({ env });
    expect(settings.database).toMatchObject({ type: 'postgres', dsn: env.DATABASE_DSN });
    expect(settings.master_api_key).toBe(env.MASTER_API_KEY);
  });

  it('loads with its smaller pool alone', () => {
    const { database } = load('database:\n  max_open_conns: 3\n');
    expect(database).toMatchObject({ max_open_conns: 3, max_idle_conns: 3 });
  });
});

describe('precedence', () => {
  it('is flags, environment, YAML, defaults', () => {
    const yaml = 'api: {port: 1, host: yaml}\nmetrics: {port: 2}\n';
    const settings = load(
      yaml,
      { API_PORT: '3', API_HOST: 'env' },
      { 'api.port': 4, 'metrics.port': undefined },
    );
    expect(settings.api).toMatchObject({ port: 4, host: 'env' });
    expect(settings.metrics.port).toBe(2);
  });

  it('lets a right value stand over a wrong one', () => {
    expect(load('api: {port: nonsense}\n', { API_PORT: '3' }).api.port).toBe(3);
  });

  it('takes an empty variable for one that is not set', () => {
    expect(load('api: {port: 1}\n', { API_PORT: '', DATABASE_DSN: '' }).api.port).toBe(1);
  });
});

describe('the environment', () => {
  const samples: Record<string, string> = {
    'database.type': 'postgres',
    'database.dsn': dsn,
    'database.direct_dsn': dsn,
    'database.migrate_dsn': dsn,
    'database.replica_dsn': dsn,
    'api.tls_enabled': 'true',
    'api.trusted_proxies': '10.0.0.0/8, ::1',
    'scheduler.enabled': 'false',
    'retry.backoff_multiplier': '1.5',
    'logging.level': 'debug',
    'logging.format': 'pretty',
    master_api_key: '0123456789abcdef',
  };
  const sampleOf = (key: string, duration: boolean) =>
    samples[key] ?? (duration ? '25h' : /path|dir|host|roots/.test(key) ? '/x' : '7');

  it('reaches every key under its own name', () => {
    const names = fixedKeys().map(({ path }) => environmentName(path));
    expect(new Set(names).size).toBe(names.length);
    for (const { key, path, kind } of fixedKeys()) {
      const env = {
        ...(key.endsWith('_dsn') && { DATABASE_DSN: dsn }),
        ...(key === 'database.type' && { DATABASE_DSN: dsn }),
      };
      const others: Record<string, string> = {
        'api.tls_cert_path': 'API_TLS_KEY_PATH',
        'api.tls_key_path': 'API_TLS_CERT_PATH',
        'api.client_ca_path': 'API_TLS_ENABLED',
        'retry.initial_backoff': 'RETRY_MAX_BACKOFF',
        'workers.heartbeat_interval': 'WORKERS_LEASE_DURATION',
      };
      const other = others[key];
      const name = environmentName(path);
      const text = sampleOf(key, kind.duration);
      const otherText =
        other === 'API_TLS_ENABLED' ? 'true' : other === 'WORKERS_LEASE_DURATION' ? '26h' : text;
      const settings = loadSettings({ env: { ...env, ...(other && { [other]: otherText }), [name]: text } });
      const value = path.reduce<unknown>((node, step) => (node as Record<string, unknown>)[step], settings);
      expect([key, value]).toEqual([key, kind.read(text)]);
    }
  });

  it('reads lists by their commas', () => {
    const { api, worker } = loadSettings({
      env: { API_TRUSTED_PROXIES: '10.0.0.0/8, ::1', WORKER_INPUT_ROOTS: '/a,/b' },
    });
    expect(api.trusted_proxies).toEqual(['10.0.0.0/8', '::1']);
    expect(worker.input_roots).toEqual(['/a', '/b']);
  });

  it('finds queues by the name that the file gives them', () => {
    const env = { QUEUES_MY_QUEUE_MAX_RUNNING: '4', QUEUES_LIVE_AGING_STEP: '1h' };
    expect(load('queues: {My-queue: {rank: 0.5}}', env).queues).toEqual({
      'My-queue': { rank: 0.5, max_running: 4 },
      live: { aging_step: 3_600_000 },
    });
  });
});

describe('queues', () => {
  it('are a record by name, also for names with dots and names that objects have', () => {
    const { queues } = load(
      'queues: {a.b: {rank: 0}, constructor: {max_running: 1}}',
      {},
      { 'queues.c.d.rank': 3 },
    );
    expect(Object.entries(queues)).toEqual([
      ['a.b', { rank: 0 }],
      ['constructor', { max_running: 1 }],
      ['c.d', { rank: 3 }],
    ]);
    expect(load('').queues['constructor']).toBeUndefined();
  });
});

describe('what follows from other settings', () => {
  it('takes postgres where a dsn is given', () => {
    expect(load(`database: {dsn: "${dsn}"}`).database).toMatchObject({
      type: 'postgres',
      direct_dsn: dsn,
      migrate_dsn: dsn,
    });
  });

  it('migrates over the direct dsn', () => {
    const direct = 'postgresql://u:p@direct/d';
    const { database } = load(`database: {dsn: "${dsn}", direct_dsn: "${direct}"}`);
    expect(database).toMatchObject({ dsn, direct_dsn: direct, migrate_dsn: direct });
    expect(database.replica_dsn).toBeUndefined();
  });

  it("takes the dsn's pool sizes before the defaults and after the settings", () => {
    const env = { DATABASE_DSN: `${dsn}?pool_max_conns=40&pool_min_conns=9` };
    expect(load('', env).database).toMatchObject({ max_open_conns: 40, max_idle_conns: 9 });
    expect(load('database: {max_open_conns: 8}', env).database).toMatchObject({
      max_open_conns: 8,
      max_idle_conns: 8,
    });
  });

  it('knows the heartbeat timeout by both names', () => {
    for (const yaml of ['workers: {heartbeat_timeout: 2m}', 'timeouts: {heartbeat_timeout: 2m}']) {
      const { timeouts, workers } = load(yaml);
      expect([timeouts.heartbeat_timeout, workers.heartbeat_timeout]).toEqual([120_000, 120_000]);
    }
    const both = 'workers: {heartbeat_timeout: 2m}\ntimeouts: {heartbeat_timeout: 120s}';
    expect(load(both).timeouts.heartbeat_timeout).toBe(120_000);
  });
});

describe('a wrong setting stops the start with key, value and what is allowed', () => {
  it.each<[yaml: string, key: string, value: string | undefined, allowed: RegExp]>([
    // Types.
    ['api: {port: abc}', 'api.port', '"abc"', /^a port, 1 to 65535, or 0/],
    ['api: {port: 65536}', 'api.port', '65536', /^a port/],
    ['api: {port: -1}', 'api.port', '-1', /^a port/],
    ['api: {port: 80.5}', 'api.port', '80.5', /^a port/],
    ['api: {port: [80]}', 'api.port', '[80]', /^a port/],
    ['api: {host: 5}', 'api.host', '5', /^a text that is not empty/],
    ['api: {host: ""}', 'api.host', '""', /^a text that is not empty/],
    ['api: {tls_enabled: yes}', 'api.tls_enabled', '"yes"', /^true or false/],
    ['api: {rate_limit: 0}', 'api.rate_limit', '0', /^a whole number, 1 to 1000000/],
    [
      'api: {trusted_proxies: [10.0.0.0/33]}',
      'api.trusted_proxies',
      '["10.0.0.0/33"]',
      /^a list of addresses/,
    ],
    ['api: {trusted_proxies: {a: b}}', 'api.trusted_proxies', '{"a":"b"}', /^a list of addresses/],
    ['api: {trusted_proxies: proxy}', 'api.trusted_proxies', '"proxy"', /^a list of addresses/],
    ['worker: {input_roots: [1]}', 'worker.input_roots', '[1]', /^a list of texts/],
    ['worker: {slots: 0}', 'worker.slots', '0', /^a whole number, 1 to 1024/],
    ['retry: {backoff_multiplier: 0.5}', 'retry.backoff_multiplier', '0.5', /^a number, 1 to 100/],
    ['retry: {backoff_multiplier: .nan}', 'retry.backoff_multiplier', 'null', /^a number, 1 to 100/],
    ['database: {max_open_conns: 0}', 'database.max_open_conns', '0', /^a whole number, 1 to 10000/],
    [
      'database: {conn_max_lifetime: 5}',
      'database.conn_max_lifetime',
      '5',
      /^a duration with its unit, such as 500ms/,
    ],
    ['database: {conn_max_lifetime: 5 minutes}', 'database.conn_max_lifetime', '"5 minutes"', /^a duration/],
    ['database: {conn_max_lifetime: -5m}', 'database.conn_max_lifetime', '"-5m"', /^a duration/],
    ['scheduler: {cleanup_interval: 0}', 'scheduler.cleanup_interval', '0', /from 10ms to 24d/],
    ['scheduler: {cleanup_interval: 25d}', 'scheduler.cleanup_interval', '"25d"', /from 10ms to 24d/],
    ['retention: {history: 12h}', 'retention.history', '"12h"', /from 1d to 36500d/],
    ['logging: {level: loud}', 'logging.level', '"loud"', /^trace or debug or info/],
    ['logging: {format: xml}', 'logging.format', '"xml"', /^json or pretty/],
    ['queues: {live: {rank: high}}', 'queues.live.rank', '"high"', /^a number, 0 to 1000/],
    ['queues: {live: {aging_step: 1}}', 'queues.live.aging_step', '1', /^a duration/],
    ['queues: {live: 3}', 'queues.live', '***', /^a mapping with the keys rank, aging_step, max_running/],
    ['queues: {"a b": {}}', 'queues.a b', undefined, /^a name of 1 to 63 letters/],
    ['queues: [live]', 'queues', '***', /^a mapping by name/],
    // The database.
    [
      'database: {type: sqlite}',
      'database.type',
      '"sqlite"',
      /^embedded or postgres; .*`ffmpeg-master import --from sqlite:FILE`/,
    ],
    ['database: {type: mysql}', 'database.type', '"mysql"', /^embedded or postgres$/],
    ['database: {type: postgres}', 'database.dsn', undefined, /^postgresql:\/\/.*needs it/],
    [
      `database: {type: embedded, dsn: "${dsn}"}`,
      'database.dsn',
      undefined,
      /^nothing while database.type is embedded/,
    ],
    [
      `database: {replica_dsn: "${dsn}"}`,
      'database.replica_dsn',
      undefined,
      /^nothing while database.type is embedded/,
    ],
    ['database: {dsn: "mysql://u:p@h"}', 'database.dsn', '"***"', /^write it as postgresql:/],
    [
      'database: {dsn: "sqlite:master.db"}',
      'database.dsn',
      '"***"',
      /`ffmpeg-master import --from sqlite:FILE`/,
    ],
    [
      'database: {dsn: "postgresql://u:p@h/d?sslmode=on"}',
      'database.dsn',
      '"postgresql://***"',
      /sslmode must be one of/,
    ],
    ['database: {dsn: 5}', 'database.dsn', '***', /^write it as postgresql:/],
    // Rules between settings.
    [
      'workers: {heartbeat_timeout: 2m}\ntimeouts: {heartbeat_timeout: 3m}',
      'workers.heartbeat_timeout',
      '2m',
      /is 3m$/,
    ],
    [
      'workers: {lease_duration: 10s}',
      'workers.heartbeat_interval',
      '10s',
      /^less than workers.lease_duration, which is 10s/,
    ],
    [
      'retry: {initial_backoff: 6m}',
      'retry.initial_backoff',
      '6m',
      /^at most retry.max_backoff, which is 5m/,
    ],
    ['api: {tls_cert_path: /c}', 'api.tls_key_path', undefined, /go together/],
    ['api: {client_ca_path: /c}', 'api.client_ca_path', '"/c"', /^only with api.tls_enabled true/],
    ['metrics: {port: 8080}', 'metrics.port', '8080', /^another port than api.port/],
    // Unknown keys and wrong shapes.
    ['api: {prot: 80}', 'api.prot', '80', /^this key is unknown; known here are host, port, tls_enabled/],
    ['databse: {type: postgres}', 'databse', '***', /^this key is unknown; known here are database, api, /],
    ['database: {password: 5, pasword: hunter2}', 'database.password', '5', /^this key is unknown/],
    [
      'queues: {live: {weight: 3}}',
      'queues.live.weight',
      '3',
      /known here are rank, aging_step, max_running/,
    ],
    ['api: 8080', 'api', '***', /^a mapping with the keys host, port/],
    ['- a', '--config', '***', /^a mapping with the keys database, api/],
    ['master_api_key: 0123456789abcdef', 'master_api_key', undefined, /MASTER_API_KEY/],
    // The file itself.
    ['api: {port: 1', '--config', undefined, /^valid YAML; \w+ at line 1/],
    ['api: {port: 1, port: 2}', '--config', undefined, /^valid YAML; DUPLICATE_KEY at line 1, column 16/],
    ['api: {host: *secret}', '--config', undefined, /^valid YAML; an alias leads nowhere/],
    ['api: {host: !secret x}', '--config', undefined, /^valid YAML; TAG_RESOLVE_FAILED/],
  ])('%s', (yaml, key, value, allowed) => {
    const { problems, message } = refusal(() => load(yaml));
    const [problem] = problems;
    expect(problem).toMatchObject({ key, allowed: expect.stringMatching(allowed) });
    if (value !== undefined) expect(problem?.value).toBe(value);
    expect(message).toContain(key);
    expect(message).not.toContain('hunter2');
  });

  it('says where the value stands', () => {
    expect(refusal(() => loadSettings({ env: { API_PORT: 'tcp://10.0.0.1:80' } })).message).toBe(
      'wrong setting: api.port is "tcp://10.0.0.1:80" (API_PORT in the environment); allowed: a port, 1 to 65535, or 0 for any free one',
    );
    const overrides = { 'api.port': 'x' };
    expect(refusal(() => loadSettings({ env: {}, overrides })).message).toContain(
      'api.port is "x" (given as a flag)',
    );
    expect(refusal(() => load('api: {port: x}')).message).toContain(`(in ${folder}/config.yaml)`);
  });

  it('lists all of them', () => {
    const { problems, message } = refusal(() =>
      load('api: {port: x}\nfoo: 1', { LOGGING_LEVEL: 'y' }, { bar: 1 }),
    );
    expect(problems.map(({ key }) => key).sort()).toEqual(['api.port', 'bar', 'foo', 'logging.level']);
    expect(message.split('\n')).toHaveLength(5);
  });

  it('names a file that is not there', () => {
    const { message } = refusal(() => loadSettings({ configFile: '/nowhere/c.yaml', env: {} }));
    expect(message).toMatch(
      /--config is "\/nowhere\/c.yaml"; allowed: a YAML file that can be read; there is no such file/,
    );
  });

  it('refuses a short admin key without showing it', () => {
    const { message } = refusal(() => loadSettings({ env: { MASTER_API_KEY: 'fifteen-letters' } }));
    expect(message).toMatch(
      /master_api_key is "\*\*\*" \(MASTER_API_KEY in the environment\); allowed: 16 characters or more/,
    );
    expect(
      refusal(() => loadSettings({ env: {}, overrides: { master_api_key: 'fifteen-letters' } })).message,
    ).not.toMatch(/fifteen/);
  });
});

describe('secrets', () => {
  const hostile = fc.string({ unit: fc.constantFrom(...'ab1:/@?&=#%,[]{}+ "\'\\*!|>-\n.'), maxLength: 6 });
  const secrets = fc.tuple(hostile, hostile, hostile).map(([a, b, c]) => `${a}Kq7ZxKq7Zx${b}Wv9JyWv9Jy${c}`);
  const marks = /Kq7Zx|Wv9Jy/;

  it(
    'appear neither in described settings nor in a refusal, wherever they were written',
    { timeout: 60_000 },
    () => {
      const form = fc.constantFrom<(secret: string) => () => unknown>(
        (secret) => () =>
          loadSettings({ env: { DATABASE_DSN: `postgresql://u:${encodeURIComponent(secret)}@h/d` } }),
        (secret) => () => loadSettings({ env: { DATABASE_DSN: `postgresql://u:${secret}@h/d` } }),
        (secret) => () =>
          loadSettings({ env: { DATABASE_DSN: `postgresql://u:${secret}@h/d`, API_PORT: 'x' } }),
        (secret) => () => loadSettings({ env: { API_HOST: `postgresql://u:${secret}@h/d`, API_PORT: 'x' } }),
        (secret) => () => loadSettings({ env: { API_PORT: `postgresql://u:${secret}@h/d` } }),
        (secret) => () => loadSettings({ env: { MASTER_API_KEY: secret } }),
        (secret) => () => loadSettings({ env: { MASTER_API_KEY: secret, API_PORT: 'x' } }),
        // Quoted, for a raw quote or line break would end the value, and what follows be YAML of its own.
        (secret) => () => load(`database: {dsn: ${JSON.stringify(`postgresql://u:${secret}@h/d`)}}`),
        (secret) => () => load(`database:\n  dsn: ${JSON.stringify(secret)}`),
        (secret) => () => load(`database: {dsn: ${JSON.stringify([secret])}}`),
        (secret) => () =>
          load(`database: ${JSON.stringify({ password: secret, dsn: { password: secret } })}`),
        (secret) => () => load(`password: ${JSON.stringify(secret)}`),
        (secret) => () => load(JSON.stringify(secret)),
        (secret) => () =>
          load(JSON.stringify({ master_api_key: secret, database: secret, queues: { live: secret } })),
      );
      fc.assert(
        fc.property(form, secrets, (write, secret) => {
          expect(told(write(secret))).not.toMatch(marks);
        }),
        { numRuns: 300 },
      );
    },
  );

  it.each([
    'database:\n  postgresql://u:Kq7Zx@h/d: 1',
    'postgresql://u:Kq7Zx@h/d:\n  a: 1',
    'database:\n  "a\\nKq7Zx": 1',
    'queues:\n  u:Kq7Zx@h: {rank: 1}',
    'queues: {live: {"Kq7Zx=": 1}}',
  ])('are not shown as the unknown key that a slip made of them: %j', (yaml) => {
    const { problems, message } = refusal(() => load(yaml));
    expect(problems.some(({ key }) => key.endsWith('***'))).toBe(true);
    expect(message).not.toMatch(marks);
  });

  it('are there all the same for the program', () => {
    const settings = loadSettings({ env: { DATABASE_DSN: dsn, MASTER_API_KEY: '0123456789abcdef' } });
    expect(settings).toMatchObject({ database: { dsn }, master_api_key: '0123456789abcdef' });
    expect(describeSettings(settings)).toMatchObject({
      database: { dsn: 'postgresql://u:***@h/d', direct_dsn: 'postgresql://u:***@h/d' },
      master_api_key: '***',
    });
  });

  /** Everything that a person may come to see of one attempt to load settings. */
  function told(act: () => unknown): string {
    try {
      const settings = act() as Settings;
      return JSON.stringify(describeSettings(settings));
    } catch (error) {
      if (!(error instanceof ConfigurationError)) throw error;
      return error.message + JSON.stringify(error) + String(error.stack);
    }
  }
});
