/** Certificates for tests: authorities, and what they issue. */
import 'reflect-metadata';
import { KeyObject, webcrypto } from 'node:crypto';
import {
  BasicConstraintsExtension,
  SubjectAlternativeNameExtension,
  type X509Certificate,
  X509CertificateGenerator,
} from '@peculiar/x509';

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const DAY = 86_400_000;

export interface Issued {
  readonly certificate: string;
  readonly key: string;
  /** Another one, by this one. */
  issue(name: string): Promise<Issued>;
}

/** Signs itself; good for `localhost`, from yesterday on and for so many days from now (below 0: expired). */
export async function createAuthority(name: string, days = 1): Promise<Issued> {
  return issue(name, days);
}

async function issue(
  name: string,
  days: number,
  issuer?: { certificate: X509Certificate; keys: webcrypto.CryptoKeyPair },
): Promise<Issued> {
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
  const certificate = await X509CertificateGenerator.create(
    {
      subject: `CN=${name}`,
      issuer: issuer?.certificate.subject ?? `CN=${name}`,
      publicKey: keys.publicKey,
      signingKey: issuer?.keys.privateKey ?? keys.privateKey,
      signingAlgorithm: ALGORITHM,
      notBefore: new Date(Date.now() - 30 * DAY),
      notAfter: new Date(Date.now() + days * DAY),
      extensions: [
        new BasicConstraintsExtension(issuer === undefined, undefined, true),
        new SubjectAlternativeNameExtension([{ type: 'dns', value: 'localhost' }]),
      ],
    },
    webcrypto,
  );
  return {
    certificate: `${certificate.toString('pem')}\n`,
    key: KeyObject.from(keys.privateKey).export({ type: 'pkcs8', format: 'pem' }).toString(),
    issue: (child) => issue(child, days, { certificate, keys }),
  };
}
