import { describe, expect, it } from 'vitest';
import { parseDsn } from './dsn.js';
import { type TlsOptions, tlsAttempts } from './tls-attempts.js';

const read = (path: string) => `the text of ${path}`;

function attempts(parameters: string, host = 'db.example.com') {
  return tlsAttempts(parseDsn(`postgresql://u:p@${host}/d?${parameters}`), undefined, read).map((attempt) => {
    if (attempt === 'plain') return 'plain';
    const host =
      attempt.checkServerIdentity('other.example.com', { subject: { CN: 'db' } } as never) !== undefined;
    return { chain: attempt.rejectUnauthorized, host };
  });
}

describe('tlsAttempts', () => {
  const unchecked = { chain: false, host: false };
  const chain = { chain: true, host: false };

  it.each([
    ['sslmode=disable', ['plain']],
    ['sslmode=allow', ['plain', unchecked]],
    ['sslmode=prefer', [unchecked, 'plain']],
    ['', [unchecked, 'plain']],
    ['sslmode=require', [unchecked]],
    ['sslmode=verify-ca', [chain]],
    ['sslmode=verify-full', [{ chain: true, host: true }]],
    ['sslmode=require&sslrootcert=/ca', [chain]],
    ['sslmode=prefer&sslrootcert=/ca', [chain, 'plain']],
    ['sslmode=verify-ca&sslrootcert=/ca', [chain]],
    ['sslrootcert=system', [{ chain: true, host: true }]],
  ])('means by %j what libpq means', (parameters, expected) => {
    expect(attempts(parameters)).toEqual(expected);
  });

  it('speaks plainly over a Unix socket', () => {
    expect(attempts('sslmode=require&host=/run/postgresql')).toEqual(['plain']);
  });

  it('asks per host, for a dsn may mix sockets and names', () => {
    const dsn = parseDsn('postgresql:///d?host=/run/postgresql,h&sslmode=require');
    expect(tlsAttempts(dsn, '/run/postgresql')).toEqual(['plain']);
    expect(tlsAttempts(dsn, 'h')).toMatchObject([{ rejectUnauthorized: false }]);
  });

  it('reads the files that the dsn names', () => {
    const dsn = parseDsn('postgresql://h/d?sslmode=verify-full&sslrootcert=/ca&sslcert=/c&sslkey=/k');
    expect(tlsAttempts(dsn, 'h', read)).toMatchObject([
      { ca: 'the text of /ca', cert: 'the text of /c', key: 'the text of /k' },
    ]);
    const [system] = tlsAttempts(parseDsn('postgresql://h/d?sslrootcert=system'), 'h', read) as [TlsOptions];
    expect(system).not.toHaveProperty('ca');
  });

  it('names a file that cannot be read', () => {
    const dsn = parseDsn('postgresql://h/d?sslmode=verify-ca&sslrootcert=/nowhere/ca.crt');
    expect(() => tlsAttempts(dsn)).toThrow(/^its sslrootcert "\/nowhere\/ca.crt" cannot be read: ENOENT/);
  });
});
