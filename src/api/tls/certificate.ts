/**
 * The certificate that a master shows: the one that the settings name, else a self-signed one of its own.
 *
 * Everything is checked here, before a port opens, since OpenSSL tells of a wrong pair only by an error code
 * in its own words. What comes out is text in memory and names no file: to take a renewed certificate
 * without a restart is to load again and give the answer to `TlsServer.setSecureContext(secureContextOf(…))`.
 */
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createSecureContext, type SecureContextOptions } from 'node:tls';
import type { Logger } from 'pino';
import { ConfigurationError } from '../../config/configuration-error.js';
import type { ApiSettings, DatabaseSettings } from '../../config/settings.js';
import { keepSelfSigned } from './self-signed.js';

/** PEM texts. */
export interface Certificate {
  /** The server's own first, then those between it and its authority. */
  readonly chain: string;
  readonly key: string;
  /** Present: clients must show a certificate of one of these authorities. */
  readonly clientAuthorities?: string;
}

/** What of the settings this needs. */
export interface TlsSettings {
  readonly api: Pick<ApiSettings, 'tls_enabled' | 'tls_cert_path' | 'tls_key_path' | 'client_ca_path'>;
  readonly database: Pick<DatabaseSettings, 'data_dir'>;
}

/**
 * @returns undefined where `api.tls_enabled` is false
 * @throws ConfigurationError that names the setting and the file
 */
export async function loadCertificate(
  { api, database }: TlsSettings,
  logger: Logger,
): Promise<Certificate | undefined> {
  if (!api.tls_enabled) return undefined;
  const { chainPath, keyPath, source } = await pathsOf(api, database.data_dir, logger);
  const chainSetting: Origin = { key: 'api.tls_cert_path', path: chainPath, source };
  const keySetting: Origin = { key: 'api.tls_key_path', path: keyPath, source };
  const [chain, key] = await Promise.all([read(chainSetting), read(keySetting)]);
  const own = parseCertificate(chain, chainSetting);
  if (!own.checkPrivateKey(parseKey(key, keySetting))) {
    throw wrong(
      keySetting,
      `the private key of the certificate ${JSON.stringify(chainPath)}, which it is not`,
    );
  }
  tryPair({ chain, key }, chainSetting);
  tellOf(own, chainPath, logger);
  if (api.client_ca_path === undefined) return { chain, key };
  return { chain, key, clientAuthorities: await readAuthorities(api.client_ca_path) };
}

/** The part of it that can be exchanged while a server runs. */
export function secureContextOf({ chain, key, clientAuthorities }: Certificate): SecureContextOptions {
  return {
    cert: chain,
    key,
    // Node's default, said here so that no NODE_OPTIONS of the machine lowers it.
    minVersion: 'TLSv1.2',
    honorCipherOrder: true,
    ...(clientAuthorities !== undefined && { ca: clientAuthorities }),
  };
}

/** A file and the setting to blame for it. */
interface Origin {
  readonly key: string;
  readonly path: string;
  readonly source?: string;
}

async function pathsOf(
  { tls_cert_path, tls_key_path }: TlsSettings['api'],
  dataDir: string,
  logger: Logger,
): Promise<{ chainPath: string; keyPath: string; source?: string }> {
  // The settings let one of them through only with the other.
  if (tls_cert_path !== undefined && tls_key_path !== undefined) {
    return { chainPath: tls_cert_path, keyPath: tls_key_path };
  }
  const kept = await keepSelfSigned(dataDir);
  logger.warn(
    { certificate: kept.chainPath, made_now: kept.madeNow },
    'a self-signed certificate is used, which no client trusts unless told to; ' +
      'set api.tls_cert_path and api.tls_key_path to your own',
  );
  const source = `made by an earlier start; remove the folder ${kept.folder} to have a new one made`;
  return { chainPath: kept.chainPath, keyPath: kept.keyPath, source };
}

async function read(origin: Origin): Promise<string> {
  try {
    return await readFile(origin.path, 'utf8');
  } catch (error) {
    throw wrong(origin, `a PEM file that this user may read (${(error as NodeJS.ErrnoException).code})`);
  }
}

function parseCertificate(text: string, origin: Origin): X509Certificate {
  try {
    return new X509Certificate(text);
  } catch {
    throw wrong(origin, 'a certificate in PEM (-----BEGIN CERTIFICATE-----)');
  }
}

function parseKey(text: string, origin: Origin): KeyObject {
  try {
    return createPrivateKey(text);
  } catch {
    // An encrypted key fails too: a server that starts by itself has nobody to ask for the passphrase.
    throw wrong(origin, 'a private key in PEM (-----BEGIN PRIVATE KEY-----) without a passphrase');
  }
}

/** What only OpenSSL judges, such as keys that are too short by today's rules. */
function tryPair(certificate: Certificate, origin: Origin): void {
  try {
    createSecureContext(secureContextOf(certificate));
  } catch (error) {
    throw wrong(origin, `a certificate and key that OpenSSL takes (${(error as Error).message})`);
  }
}

async function readAuthorities(path: string): Promise<string> {
  const origin: Origin = { key: 'api.client_ca_path', path };
  const text = await read(origin);
  const blocks = text.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g);
  // With no authority at all Node would take its own list of public ones: everybody's certificates.
  for (const block of blocks ?? ['']) parseCertificate(block, origin);
  return text;
}

/** Ninety days is what public authorities give; a week before its end nobody has renewed it by routine. */
const SOON = 7 * 86_400_000;

/** An expired one is used all the same: some clients still get through, and a master that is down helps none. */
function tellOf(
  { validTo, fingerprint256, subjectAltName }: X509Certificate,
  path: string,
  logger: Logger,
): void {
  const left = Date.parse(validTo) - Date.now();
  const facts = { certificate: path, valid_to: validTo, fingerprint256, names: subjectAltName };
  if (left <= 0) logger.warn(facts, 'the TLS certificate has expired; renew it and start this master again');
  else if (left < SOON)
    logger.warn(facts, 'the TLS certificate expires soon; renew it and start this master again');
  else logger.info(facts, 'TLS certificate loaded');
}

function wrong({ key, path, source }: Origin, allowed: string): ConfigurationError {
  return new ConfigurationError([
    { key, value: JSON.stringify(path), allowed, ...(source !== undefined && { source }) },
  ]);
}
