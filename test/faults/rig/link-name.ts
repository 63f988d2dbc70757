/** What a link is called: PostgreSQL clients name themselves at their start-up, HTTP requests have a first line. */

const PROTOCOL_3 = 196_608;
const SSL_REQUEST = 80_877_103;

/** Whether these are the first bytes of a client of PostgreSQL. */
export function isStartUp(bytes: Buffer): boolean {
  if (bytes.length < 8) return false;
  const code = bytes.readInt32BE(4);
  return code === PROTOCOL_3 || code === SSL_REQUEST;
}

/** The `application_name`; empty for a request for TLS, behind which the start-up follows. */
export function nameOfStartUp(bytes: Buffer): string {
  if (bytes.readInt32BE(4) === SSL_REQUEST) return '';
  const words = bytes.subarray(8).toString('utf8').split('\0');
  const at = words.indexOf('application_name');
  return at < 0 ? 'unnamed' : (words[at + 1] ?? 'unnamed');
}

export function firstLineOf(bytes: Buffer): string {
  return bytes.toString('latin1').split('\r\n', 1)[0] ?? '';
}

/** The connections of a master, as PostgreSQL calls them. */
export const isPool = (name: string) => name === 'ffmpeg-master';
export const isLockSession = (name: string) => name === 'ffmpeg-master lock';
export const isListener = (name: string) => name === 'ffmpeg-master listener';
