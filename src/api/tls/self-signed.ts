/**
 * The self-signed certificate of a master that was given none: made at its first start, kept for the next.
 *
 *     <data_dir>/tls/self-signed/certificate.pem, key.pem
 *
 * Certificate and key appear together or not at all: they are written into a folder of another name, which
 * is then renamed. Renaming onto a folder with something in it fails, so of several masters that start at
 * once one wins and the others use its pair.
 *
 * X.509 is written by @peculiar/x509, the one dependency that TLS needs: Node reads certificates but cannot
 * make them, and `openssl` is not on every machine. It is kept up, plain JavaScript, runs on Node 20 and
 * leaves the cryptography to WebCrypto. (selfsigned wraps the same library and adds pkijs; node-forge brings
 * its own RSA.) It is loaded only where a certificate has to be made.
 */
import { KeyObject, webcrypto } from 'node:crypto';
import { access, mkdir, mkdtemp, open, rename, rm } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join, resolve } from 'node:path';
import type { JsonGeneralName } from '@peculiar/x509';
import { ConfigurationError } from '../../config/configuration-error.js';

export interface SelfSigned {
  readonly folder: string;
  readonly chainPath: string;
  readonly keyPath: string;
  readonly madeNow: boolean;
}

/** Makes the pair unless it is there. @throws ConfigurationError where it cannot be kept */
export async function keepSelfSigned(dataDir: string): Promise<SelfSigned> {
  const parent = resolve(dataDir, 'tls');
  const folder = join(parent, 'self-signed');
  const kept = { folder, chainPath: join(folder, CHAIN), keyPath: join(folder, KEY) };
  if (await exists(folder)) return { ...kept, madeNow: false };
  try {
    await mkdir(parent, { recursive: true });
    return { ...kept, madeNow: await makeIn(parent, folder) };
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === undefined) throw error;
    throw new ConfigurationError([
      {
        key: 'database.data_dir',
        value: JSON.stringify(dataDir),
        allowed:
          `a folder that this user may write to (${code}), for a self-signed certificate is kept there ` +
          'while api.tls_enabled is true and api.tls_cert_path and api.tls_key_path are not set',
      },
    ]);
  }
}

const CHAIN = 'certificate.pem';
const KEY = 'key.pem';

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

/** @returns false where another process was faster */
async function makeIn(parent: string, folder: string): Promise<boolean> {
  // Made with 0700 by mkdtemp, and so it stays.
  const draft = await mkdtemp(join(parent, '.new-'));
  try {
    const { chain, key } = await makePair();
    await write(join(draft, CHAIN), chain, 0o644);
    await write(join(draft, KEY), key, 0o600);
    await rename(draft, folder);
    return true;
  } catch (error) {
    await rm(draft, { recursive: true, force: true });
    // Windows says EPERM where others say that the folder is not empty.
    const taken = ['ENOTEMPTY', 'EEXIST', 'EPERM'].includes((error as NodeJS.ErrnoException).code ?? '');
    if (taken && (await exists(folder))) return false;
    throw error;
  }
}

async function write(path: string, text: string, mode: number): Promise<void> {
  const file = await open(path, 'wx', mode);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
}

const DAY = 86_400_000;
const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };

async function makePair(): Promise<{ chain: string; key: string }> {
  // Its container of dependencies looks for Reflect.getMetadata while it loads.
  await import('reflect-metadata');
  const x509 = await import('@peculiar/x509');
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned(
    {
      name: 'CN=ffmpeg-master self-signed',
      // Workers' clocks may be behind.
      notBefore: new Date(Date.now() - DAY),
      // Whoever trusts it does so by hand, on every machine; nobody does that twice a year.
      notAfter: new Date(Date.now() + 10 * 365 * DAY),
      keys,
      signingAlgorithm: ALGORITHM,
      extensions: [
        // No authority: whoever trusts it trusts this one server and nothing that its key could sign.
        new x509.BasicConstraintsExtension(false, undefined, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
        new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
        new x509.SubjectAlternativeNameExtension(names()),
        await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
      ],
    },
    webcrypto,
  );
  const key = KeyObject.from(keys.privateKey).export({ type: 'pkcs8', format: 'pem' });
  return { chain: `${certificate.toString('pem')}\n`, key: key.toString() };
}

function names(): JsonGeneralName[] {
  const dns = new Set(['localhost', hostname().toLowerCase()]);
  // A machine may be called anything; a name that is none of DNS could not be asked for anyway.
  const usable = [...dns].filter((name) => /^[a-z0-9._-]{1,253}$/.test(name));
  return [
    ...usable.map((value) => ({ type: 'dns' as const, value })),
    { type: 'ip', value: '127.0.0.1' },
    { type: 'ip', value: '::1' },
  ];
}
