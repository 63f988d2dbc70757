import { userInfo } from 'node:os';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Dsn, maskDsn, parseDsn, SSL_MODES, TARGET_SESSION_ATTRS } from './dsn.js';

const me = userInfo().username;

const full = {
  user: 'u',
  password: 'p',
  database: 'd',
  sslmode: 'prefer',
  target_session_attrs: 'any',
} as const;

describe('parseDsn', () => {
  it.each<[string, Partial<Dsn>]>([
    // The forms of the guide.
    [
      'postgresql://ffmpeg:password@localhost:5432/ffmpeg_rtmp?sslmode=disable',
      {
        hosts: [{ host: 'localhost', port: 5432 }],
        user: 'ffmpeg',
        password: 'password',
        database: 'ffmpeg_rtmp',
        sslmode: 'disable',
        target_session_attrs: 'any',
      },
    ],
    [
      'postgresql://ffmpeg:password@mydb.abc123.us-east-1.rds.amazonaws.com:5432/ffmpeg_rtmp?sslmode=require',
      { hosts: [{ host: 'mydb.abc123.us-east-1.rds.amazonaws.com', port: 5432 }], sslmode: 'require' },
    ],
    [
      'postgresql://ffmpeg:password@localhost/ffmpeg_rtmp?pool_max_conns=25&pool_min_conns=5',
      {
        hosts: [{ host: 'localhost', port: 5432 }],
        pool_max_conns: 25,
        pool_min_conns: 5,
        sslmode: 'prefer',
      },
    ],
    ['postgresql://ffmpeg:pass@localhost:6432/ffmpeg_rtmp', { hosts: [{ host: 'localhost', port: 6432 }] }],
    // Missing parts.
    ['postgresql://', { hosts: [{ host: 'localhost', port: 5432 }], user: me, database: me }],
    ['postgres://u:p@h:1/d', { ...full, hosts: [{ host: 'h', port: 1 }] }],
    ['postgresql://u@h', { user: 'u', database: 'u', hosts: [{ host: 'h', port: 5432 }] }],
    ['postgresql://u:@h/d', { user: 'u', database: 'd' }],
    ['postgresql://:5433/d', { user: me, hosts: [{ host: 'localhost', port: 5433 }], database: 'd' }],
    ['postgresql:///d', { database: 'd', hosts: [{ host: 'localhost', port: 5432 }] }],
    ['postgresql://h?sslmode=allow', { hosts: [{ host: 'h', port: 5432 }], sslmode: 'allow' }],
    // Encoding.
    ['postgresql://a%40b:p%3A%2F%40%25%C3%A4@h/d%2Fe', { user: 'a@b', password: 'p:/@%ä', database: 'd/e' }],
    ['postgresql://u:p?q#r+:s@h/d', { ...full, password: 'p?q#r+:s', hosts: [{ host: 'h', port: 5432 }] }],
    // Hosts.
    ['postgresql://u:p@[2001:db8::1]:5433/d', { ...full, hosts: [{ host: '2001:db8::1', port: 5433 }] }],
    ['postgresql://u:p@[::1]/d', { ...full, hosts: [{ host: '::1', port: 5432 }] }],
    [
      'postgresql://u:p@h1:5432,h2:5433,[::1],h4/d?target_session_attrs=read-write',
      {
        ...full,
        hosts: [
          { host: 'h1', port: 5432 },
          { host: 'h2', port: 5433 },
          { host: '::1', port: 5432 },
          { host: 'h4', port: 5432 },
        ],
        target_session_attrs: 'read-write',
      },
    ],
    [
      'postgresql://u:p@/d?host=/run/postgresql&port=5433',
      { ...full, hosts: [{ host: '/run/postgresql', port: 5433 }] },
    ],
    ['postgresql://u:p@%2Frun%2Fpostgresql/d', { ...full, hosts: [{ host: '/run/postgresql', port: 5432 }] }],
    [
      'postgresql:///d?host=a,b&port=1,2&user=u&password=p%26q&dbname=e',
      {
        hosts: [
          { host: 'a', port: 1 },
          { host: 'b', port: 2 },
        ],
        user: 'u',
        password: 'p&q',
        database: 'e',
      },
    ],
    // Parameters.
    [
      'postgresql://u:p@h/d?sslmode=verify-ca&sslrootcert=/a%20b.crt&sslcert=/c&sslkey=/k&connect_timeout=0&application_name=x%40y',
      {
        ...full,
        sslmode: 'verify-ca',
        sslrootcert: '/a b.crt',
        sslcert: '/c',
        sslkey: '/k',
        connect_timeout: 0,
        application_name: 'x@y',
      },
    ],
    ['postgresql://h?ssl=true', { sslmode: 'require' }],
    ['postgresql://h?sslrootcert=system', { sslmode: 'verify-full', sslrootcert: 'system' }],
  ])('reads %s', (text, expected) => {
    expect(parseDsn(text)).toMatchObject(expected);
  });

  it('leaves an absent password out', () => {
    expect(parseDsn('postgresql://u:@h/d')).not.toHaveProperty('password');
  });

  it.each([
    ['host=localhost dbname=x', 'write it as postgresql://'],
    ['mysql://u:p@h/d', 'write it as postgresql://'],
    ['', 'write it as postgresql://'],
    ['sqlite:master.db', '`ffmpeg-master import --from sqlite:FILE`'],
    ['./master.db', '`ffmpeg-master import --from sqlite:FILE`'],
    ['postgresql://u:p@ss@h/d', 'write @ as %40'],
    ['postgresql://u:1/2@h/d', 'write @ as %40 and / as %2F'],
    ['postgresql://u:secret', 'a port must be a number'],
    ['postgresql://u:p@h:0/d', 'a port must be a number'],
    ['postgresql://u:p@h:65536/d', 'a port must be a number'],
    ['postgresql://u:p@::1/d', 'IPv6 address stands in brackets'],
    ['postgresql://u:100%@h/d', 'write % itself as %25'],
    ['postgresql://u:%00@h/d', 'write % itself as %25'],
    [
      'postgresql://h/d?sslmode=on',
      'sslmode must be one of disable, allow, prefer, require, verify-ca, verify-full',
    ],
    ['postgresql://h/d?target_session_attrs=master', 'target_session_attrs must be one of any, read-write'],
    ['postgresql://h/d?pool_max_conns=0', 'pool_max_conns must be a whole number, 1 to 10000'],
    ['postgresql://h/d?pool_max_conns=many', 'pool_max_conns must be a whole number'],
    ['postgresql://h/d?pool_min_conns=9&pool_max_conns=3', 'pool_min_conns must not be above pool_max_conns'],
    ['postgresql://h/d?connect_timeout=-1', 'connect_timeout must be a whole number'],
    ['postgresql://h/d?sslcert=/c', 'sslcert and sslkey go together'],
    ['postgresql://h/d?sslmode=require&sslrootcert=system', 'sslrootcert=system needs sslmode=verify-full'],
    ['postgresql://h/d?keepalives=1', 'its parameter keepalives is unknown; known are host, port'],
    ['postgresql://h/d?passwordsecret', 'it has an unknown parameter; known are host, port'],
    ['postgresql://u:se?cret', 'it has an unknown parameter; known are host, port'],
    ['postgresql://h/d?sslmode', 'its parameter sslmode has no value'],
    ['postgresql://h/d?password=a&b=c', 'write & as %26 in the password'],
    ['postgresql://h1,h2,h3/d?port=1,2', 'one port, or as many as there are hosts'],
  ])('refuses %s', (text, reason) => {
    expect(() => parseDsn(text)).toThrow(reason);
  });
});

describe('maskDsn', () => {
  it.each([
    ['postgresql://u:p@h:5432/d?sslmode=require', 'postgresql://u:***@h:5432/d?sslmode=require'],
    ['postgresql://u@h,i/d', 'postgresql://u@h,i/d'],
    ['postgres://h', 'postgres://h'],
    [
      'postgresql://h/d?user=u&password=p&sslmode=allow',
      'postgresql://h/d?user=u&password=***&sslmode=allow',
    ],
    ['postgresql://u:secret', 'postgresql://***'],
    ['secret', '***'],
  ])('shows %s as %s', (text, expected) => {
    expect(maskDsn(text)).toBe(expected);
  });
});

/** A password that no other part of a message can contain by chance, with hostile text around and inside. */
const hostile = fc.string({ unit: fc.constantFrom(...'ab1:/@?&=#%,[]+ "\'\\*.'), maxLength: 6 });
const passwords = fc.tuple(hostile, hostile, hostile).map(([a, b, c]) => `${a}Kq7Zx${b}Wv9Jy${c}`);

describe('passwords', () => {
  it(
    'appear neither in a masked string nor in a refusal, encoded or not, wherever they stand',
    { timeout: 60_000 },
    () => {
      const form = fc.constantFrom<(password: string) => string>(
        (password) => `postgresql://u:${password}@h:5432/d?sslmode=require`,
        (password) => `postgresql://u:${encodeURIComponent(password)}@h:5432/d?sslmode=require`,
        (password) => `postgresql://u:${encodeURIComponent(password)}@h:port/d?nonsense`,
        (password) => `postgresql://h/d?user=u&password=${password}`,
        (password) => `postgresql://h/d?password=${encodeURIComponent(password)}&pool_max_conns=x`,
        (password) => `mysql://u:${password}@h/d`,
        (password) => `host=h password='${password}'`,
      );
      fc.assert(
        fc.property(form, passwords, (write, password) => {
          const text = write(password);
          const told = [maskDsn(text), refusalOf(text)].join('\n');
          expect(told).not.toMatch(/Kq7Zx|Wv9Jy/);
        }),
        { numRuns: 2_000 },
      );
    },
  );

  it('are read back as they were, when encoded', () => {
    fc.assert(
      fc.property(passwords, (password) => {
        expect(parseDsn(`postgresql://u:${encodeURIComponent(password)}@h/d`).password).toBe(password);
      }),
    );
  });
});

const text = fc.string({ unit: 'binary', minLength: 1, maxLength: 12 }).filter((one) => !one.includes('\0'));
const hosts = fc.array(
  fc.record({
    host: fc.oneof(
      fc.stringMatching(/^[a-z][a-z0-9.-]{0,20}$/),
      fc.ipV4(),
      fc.ipV6(),
      text.map((name) => `/run/${name}`),
    ),
    port: fc.option(fc.integer({ min: 1, max: 65_535 })),
  }),
  { minLength: 1, maxLength: 4 },
);
const pool = fc.tuple(fc.nat(10_000), fc.integer({ min: 1, max: 10_000 })).map(([a, b]) => ({
  pool_min_conns: Math.min(a, b),
  pool_max_conns: b,
}));
const parameters = fc
  .tuple(
    fc.record(
      {
        sslmode: fc.constantFrom(...SSL_MODES),
        target_session_attrs: fc.constantFrom(...TARGET_SESSION_ATTRS),
        sslrootcert: text.filter((file) => file !== 'system'),
        connect_timeout: fc.nat(10_000),
        application_name: text,
      },
      { requiredKeys: [] },
    ),
    fc.option(fc.record({ sslcert: text, sslkey: text }), { nil: {} }),
    fc.option(pool, { nil: {} }),
  )
  .map((parts) => Object.assign({}, ...parts) as Partial<Omit<Dsn, 'hosts'>>);
/** What a string shall say, and where it says who connects. */
const written = fc.record({
  user: text,
  password: fc.option(passwords, { nil: undefined }),
  hosts,
  database: text,
  parameters,
  inQuery: fc.boolean(),
});

/** The string; absent ports stay absent. */
function write({ user, password, hosts, database, parameters, inQuery }: Written): string {
  const encoded = hosts.map(({ host, port }) => {
    const name = /^[0-9a-f.]*:[0-9a-f:.]+$/i.test(host) ? `[${host}]` : encodeURIComponent(host);
    return port === null ? name : `${name}:${port}`;
  });
  const who = { user, ...(password !== undefined && { password }) };
  const query = Object.entries({ ...parameters, ...(inQuery && { ...who, dbname: database }) });
  const pairs = query.map(([name, value]) => `${name}=${encodeURIComponent(value)}`);
  const credentials = Object.values(who).map(encodeURIComponent).join(':');
  const place = encoded.join(',') + (inQuery ? '' : `/${encodeURIComponent(database)}`);
  return `postgresql://${inQuery ? '' : `${credentials}@`}${place}${pairs.length > 0 ? `?${pairs.join('&')}` : ''}`;
}

type Written = typeof written extends fc.Arbitrary<infer T> ? T : never;

describe('a connection string', () => {
  it('is read as it was written, whatever its parts are, and masked but for its password', () => {
    fc.assert(
      fc.property(written, (one) => {
        const { user, password, hosts, database, parameters } = one;
        const expected = {
          ...{ user, database, sslmode: 'prefer', target_session_attrs: 'any', ...parameters },
          hosts: hosts.map(({ host, port }) => ({ host, port: port ?? 5432 })),
        };
        const string = write(one);
        expect(parseDsn(string)).toEqual(password === undefined ? expected : { ...expected, password });
        const masked = password === undefined ? expected : { ...expected, password: '***' };
        expect(parseDsn(maskDsn(string))).toEqual(masked);
      }),
      { numRuns: 1_000 },
    );
  });

  it('that was damaged tells nothing of its password', { timeout: 60_000 }, () => {
    const damage = fc.array(
      fc.record({
        at: fc.nat(),
        remove: fc.nat(4),
        insert: hostile.map((characters) => characters.slice(0, 2)),
      }),
      { minLength: 1, maxLength: 3 },
    );
    let refused = 0;
    fc.assert(
      fc.property(written, passwords, damage, fc.boolean(), (one, password, edits, encoded) => {
        const whole = write({ ...one, password: 'SECRET' });
        let string = whole.replace('SECRET', () => (encoded ? encodeURIComponent(password) : password));
        for (const { at, remove, insert } of edits) {
          const place = at % string.length;
          string = string.slice(0, place) + insert + string.slice(place + remove);
        }
        const refusal = refusalOf(string);
        refused += refusal === '' ? 0 : 1;
        expect(refusal).not.toMatch(/Kq7|7Zx|Wv9|9Jy/);
        if (refusal !== '') expect(maskDsn(string)).not.toMatch(/Kq7|7Zx|Wv9|9Jy/);
      }),
      { numRuns: 3_000 },
    );
    expect(refused).toBeGreaterThan(1_000);
  });
});

function refusalOf(text: string): string {
  try {
    parseDsn(text);
    return '';
  } catch (error) {
    return String(error);
  }
}
