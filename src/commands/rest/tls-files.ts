/** The PEM files by which a person says whom a client trusts and what it shows. */
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createSecureContext, rootCertificates } from 'node:tls';
import type { ClientTls } from '../../config/client-tls.js';
import { Misuse } from '../failures.js';

export interface TlsFlags {
  /** A file of authorities. */
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

/** Flags before environment; undefined where neither names a file. What cannot be used is refused here, by name. */
export function readTlsFiles(flags: TlsFlags, env: NodeJS.ProcessEnv): ClientTls | undefined {
  const ca = read('--ca', flags.ca ?? env['MASTER_CA_FILE']);
  const cert = read('--cert', flags.cert ?? env['MASTER_CERT_FILE']);
  const key = read('--key', flags.key ?? env['MASTER_KEY_FILE']);
  if ((cert === undefined) !== (key === undefined)) {
    throw new Misuse('--cert and --key belong together: name the certificate and its private key');
  }
  if (ca === undefined && cert === undefined) return undefined;
  for (const file of [ca, cert]) if (file !== undefined) refuseIfNoCertificate(file);
  if (cert !== undefined && key !== undefined) refuseIfNoPair(cert, key);
  return {
    ...(ca !== undefined && { ca: [...rootCertificates, ca.text] }),
    ...(cert !== undefined && key !== undefined && { cert: cert.text, key: key.text }),
  };
}

interface PemFile {
  readonly flag: string;
  readonly path: string;
  readonly text: string;
}

function read(flag: string, path: string | undefined): PemFile | undefined {
  if (path === undefined || path === '') return undefined;
  try {
    return { flag, path, text: readFileSync(path, 'utf8') };
  } catch (error) {
    throw new Misuse(
      `the file ${path} of ${flag} cannot be read (${(error as NodeJS.ErrnoException).code}); name another one`,
    );
  }
}

/** Node passes over an authority that it cannot read without a word. */
function refuseIfNoCertificate({ flag, path, text }: PemFile): void {
  try {
    new X509Certificate(text);
  } catch {
    throw new Misuse(`the file ${path} of ${flag} holds no certificate; it must be a PEM file`);
  }
}

function refuseIfNoPair(cert: PemFile, key: PemFile): void {
  try {
    createSecureContext({ cert: cert.text, key: key.text });
  } catch (error) {
    throw new Misuse(
      `the key in ${key.path} does not go with the certificate in ${cert.path} (${(error as NodeJS.ErrnoException).code}); it must be a PEM file without a passphrase`,
    );
  }
}
