import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { X509Certificate } from 'node:crypto';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createAuthority } from '../../../test/support/certificates.js';
import { type Certificate, loadCertificate, type TlsSettings } from './certificate.js';

const lines: { level: number; msg: string; valid_to?: string }[] = [];
const logger = pino({ level: 'debug' }, { write: (line: string) => void lines.push(JSON.parse(line)) });
const warnings = () => lines.filter(({ level }) => level === 40).map(({ msg }) => msg);

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'certificate-'));
  lines.length = 0;
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** Writes the texts below the folder and names them in the settings. */
async function settings(texts: { cert?: string; key?: string; ca?: string } = {}): Promise<TlsSettings> {
  for (const [name, text] of Object.entries(texts)) await writeFile(join(folder, name), text);
  return {
    api: {
      tls_enabled: true,
      ...('cert' in texts && { tls_cert_path: join(folder, 'cert') }),
      ...('key' in texts && { tls_key_path: join(folder, 'key') }),
      ...('ca' in texts && { client_ca_path: join(folder, 'ca') }),
    },
    database: { data_dir: join(folder, 'data') },
  };
}

describe('a certificate of its own', () => {
  it('is made once, for this machine by its names, and is no authority', async () => {
    const made = await load(await settings());
    const certificate = new X509Certificate(made.chain);
    for (const name of ['localhost', hostname().toLowerCase()])
      expect(certificate.checkHost(name)).toBe(name);
    for (const ip of ['127.0.0.1', '::1']) expect(certificate.checkIP(ip)).toBe(ip);
    expect(certificate.ca).toBe(false);
    expect(Date.parse(certificate.validFrom)).toBeLessThan(Date.now());
    expect(await load(await settings())).toEqual(made);
  });

  it('comes with a warning that names the two settings', async () => {
    await load(await settings());
    expect(warnings()).toEqual([
      expect.stringMatching(/self-signed.*api\.tls_cert_path and api\.tls_key_path/),
    ]);
    expect(JSON.stringify(lines)).not.toContain('PRIVATE');
  });

  it('keeps its key to the user that runs the master', async () => {
    await load(await settings());
    const kept = join(folder, 'data', 'tls', 'self-signed');
    const modes = await Promise.all(
      [kept, join(kept, 'key.pem')].map(async (path) => (await stat(path)).mode),
    );
    expect(modes.map((mode) => (mode & 0o777).toString(8))).toEqual(['700', '600']);
  });

  it('is one, however many start at once', async () => {
    const all = await Promise.all(Array.from({ length: 5 }, async () => load(await settings())));
    expect(new Set(all.map(({ chain, key }) => chain + key)).size).toBe(1);
    expect(await readdir(join(folder, 'data', 'tls'))).toEqual(['self-signed']);
  });

  it('says which folder to remove where it has become unusable', async () => {
    await load(await settings());
    await writeFile(join(folder, 'data', 'tls', 'self-signed', 'key.pem'), '');
    await expect(load(await settings())).rejects.toThrow(/key\.pem.*remove the folder .*self-signed/);
  });

  it('says which setting to change where it cannot be kept', async () => {
    await writeFile(join(folder, 'data'), 'a file');
    await expect(load(await settings())).rejects.toThrow(
      /^wrong setting: database\.data_dir is ".*data"; allowed: a folder .*api\.tls_cert_path/,
    );
  });

  it('is not made where TLS is off', async () => {
    const { api, database } = await settings();
    expect(await loadCertificate({ api: { ...api, tls_enabled: false }, database }, logger)).toBeUndefined();
    expect(await readdir(folder)).toEqual([]);
  });
});

describe('a certificate that was given', () => {
  it('is used as it is, chain and all, and nothing else is made', async () => {
    const authority = await createAuthority('authority');
    const { certificate, key } = await authority.issue('master');
    const chain = certificate + authority.certificate;
    expect(await load(await settings({ cert: chain, key }))).toEqual({ chain, key });
    expect(await readdir(folder)).not.toContain('data');
    expect(warnings()).toEqual(['the TLS certificate expires soon; renew it and start this master again']);
  });

  it('is refused with the key of another, and both files are named', async () => {
    const [one, other] = [await createAuthority('one'), await createAuthority('other')];
    await expect(load(await settings({ cert: one.certificate, key: other.key }))).rejects.toThrow(
      new RegExp(`^wrong setting: api\\.tls_key_path is "${folder}/key".*"${folder}/cert", which it is not$`),
    );
  });

  it('is refused where a file is missing or is no PEM', async () => {
    const { certificate, key } = await createAuthority('one');
    const { api, database } = await settings({ cert: certificate, key });
    const missing = { api: { ...api, tls_key_path: '/nowhere/key' }, database };
    await expect(load(missing)).rejects.toThrow(/api\.tls_key_path is "\/nowhere\/key".*\(ENOENT\)$/);
    await expect(load(await settings({ cert: 'x', key }))).rejects.toThrow(/api\.tls_cert_path.*in PEM/);
    await expect(load(await settings({ cert: certificate, key: 'x' }))).rejects.toThrow(
      /api\.tls_key_path.*in PEM/,
    );
  });

  it('is used with a warning once it has expired', async () => {
    const { certificate, key } = await createAuthority('old', -1);
    await load(await settings({ cert: certificate, key }));
    expect(warnings()).toEqual([expect.stringContaining('has expired; renew it')]);
  });

  it('is told by its fingerprint and its end', async () => {
    const { certificate, key } = await createAuthority('fresh', 100);
    await load(await settings({ cert: certificate, key }));
    const { fingerprint256, validTo } = new X509Certificate(certificate);
    expect(lines).toEqual([expect.objectContaining({ level: 30, fingerprint256, valid_to: validTo })]);
  });
});

describe('the authorities of clients', () => {
  it('may be several in one file', async () => {
    const [one, other] = [await createAuthority('one'), await createAuthority('other')];
    const ca = one.certificate + other.certificate;
    expect(await load(await settings({ ca }))).toMatchObject({ clientAuthorities: ca });
  });

  it.each([
    ['', 'none'],
    ['-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n', 'a broken one'],
  ])('must be some: %j', async (text) => {
    const { certificate } = await createAuthority('one');
    for (const ca of [text, ...(text ? [certificate + text] : [])]) {
      await expect(load(await settings({ ca }))).rejects.toThrow(/api\.client_ca_path.*a certificate in PEM/);
    }
  });
});

async function load(from: TlsSettings): Promise<Certificate> {
  return (await loadCertificate(from, logger)) as Certificate;
}
