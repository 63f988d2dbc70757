/**
 * libpq's sslmodes as the ways to connect that they mean, in order. `pg` knows only TLS or not, and checks
 * certificates where libpq would not.
 */
import { readFileSync } from 'node:fs';
import { type PeerCertificate, checkServerIdentity } from 'node:tls';
import { type Dsn, DsnError } from './dsn.js';

/** The `ssl` option of `pg` for one attempt. */
export interface TlsOptions {
  rejectUnauthorized: boolean;
  checkServerIdentity: (host: string, certificate: PeerCertificate) => Error | undefined;
  ca?: string;
  cert?: string;
  key?: string;
}

export type TlsAttempt = 'plain' | TlsOptions;

/**
 * What to try against one host of the dsn, best first; the next one is for a server that refuses the last
 * one (no TLS there, or none allowed), not for one that cannot be reached.
 *
 * | sslmode | attempts |
 * |---|---|
 * | disable | plain |
 * | allow | plain, then TLS |
 * | prefer | TLS, then plain |
 * | require | TLS, the certificate unchecked |
 * | verify-ca | TLS, the certificate's chain checked |
 * | verify-full | TLS, chain and host name checked |
 *
 * As in libpq, an sslrootcert makes every mode with TLS check the chain. Unlike libpq, verify-ca and
 * verify-full without one trust the authorities that Node trusts instead of ~/.postgresql/root.crt.
 * Throws a DsnError if a file cannot be read.
 */
export function tlsAttempts(dsn: Dsn, host = dsn.hosts[0]?.host ?? '', read = readText): TlsAttempt[] {
  if (dsn.sslmode === 'disable' || host.startsWith('/')) return ['plain'];
  const tls = tlsOptions(dsn, read);
  if (dsn.sslmode === 'allow') return ['plain', tls];
  return dsn.sslmode === 'prefer' ? [tls, 'plain'] : [tls];
}

function tlsOptions(dsn: Dsn, read: (path: string) => string): TlsOptions {
  const file = (name: 'sslrootcert' | 'sslcert' | 'sslkey') => {
    const path = dsn[name];
    if (path === undefined || (name === 'sslrootcert' && path === 'system')) return undefined;
    try {
      return read(path);
    } catch (error) {
      throw new DsnError(`its ${name} ${JSON.stringify(path)} cannot be read: ${(error as Error).message}`);
    }
  };
  const [ca, cert, key] = [file('sslrootcert'), file('sslcert'), file('sslkey')];
  return {
    rejectUnauthorized: dsn.sslmode.startsWith('verify') || dsn.sslrootcert !== undefined,
    checkServerIdentity: dsn.sslmode === 'verify-full' ? checkServerIdentity : () => undefined,
    ...(ca !== undefined && { ca }),
    ...(cert !== undefined && { cert }),
    ...(key !== undefined && { key }),
  };
}

function readText(path: string): string {
  return readFileSync(path, 'utf8');
}
