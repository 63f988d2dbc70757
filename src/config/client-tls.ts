/** TLS as a client of masters has it: whom it trusts, what it shows, and what a failed handshake means. */

export interface ClientTls {
  /** All authorities to trust, in PEM: Node takes them in place of its own. */
  readonly ca?: string[];
  /** What the client shows, in PEM. */
  readonly cert?: string;
  readonly key?: string;
}

/** What to do about an error of a connection to `url` that is TLS's; undefined for any other error. */
export function tlsAdvice(error: unknown, url: string, tls: ClientTls = {}): string | undefined {
  const { code } = (error ?? {}) as { code?: string };
  if (code === undefined || !url.startsWith('https:')) return undefined;
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    return `its certificate is for another name (${code}); use a name that stands in it`;
  }
  if (code === 'CERT_HAS_EXPIRED' || code === 'CERT_NOT_YET_VALID') {
    return `its certificate is not valid at this time (${code}); renew it, or set the clock of this machine`;
  }
  if (NOT_TRUSTED.has(code)) {
    return `its certificate is not trusted (${code}); name the file of its authority with --ca or MASTER_CA_FILE`;
  }
  if (REFUSES_OURS.test(code)) {
    return `it does not accept the certificate of this client (${code}); name others with --cert and --key`;
  }
  // Node closes without a word where no certificate came.
  if ((code === 'UND_ERR_SOCKET' || code === 'ECONNRESET') && tls.cert === undefined) {
    return `it closed the connection (${code}); if it asks clients for a certificate, name the files with --cert and --key`;
  }
  if (/^ERR_SSL_(WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG)$/.test(code)) {
    return `it speaks no TLS (${code}); write http:// instead of https://`;
  }
  return undefined;
}

const NOT_TRUSTED = new Set([
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'CERT_SIGNATURE_FAILURE',
  'CERT_UNTRUSTED',
  'INVALID_CA',
]);

/** Alerts that a master behind another program's TLS sends, such as a balancer's. */
const REFUSES_OURS =
  /^ERR_SSL_.*ALERT_(CERTIFICATE_REQUIRED|BAD_CERTIFICATE|UNKNOWN_CA|CERTIFICATE_UNKNOWN)$/;
