/** A request on its way to being bytes, and what must come of it. */

export interface Sketch {
  readonly method: string;
  /** As it goes over the wire, with its query. */
  readonly target: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body?: string | Buffer;
  /** In the place of `HTTP/1.1`. */
  readonly version?: string;
}

/**
 * `refused`: it is invalid by construction, so 4xx, and nothing changes. `harmless`: whatever it is answered, nothing
 * changes. `any`: it may be valid by chance.
 */
export type Expectation = 'refused' | 'harmless' | 'any';

export interface FuzzRequest {
  readonly operation: string;
  /** What was done to it. */
  readonly kind: string;
  readonly expect: Expectation;
  readonly method: string;
  readonly bytes: Buffer;
}

export function bytesOf({ method, target, headers, body, version = 'HTTP/1.1' }: Sketch): Buffer {
  const content = Buffer.isBuffer(body) ? body : Buffer.from(body ?? '', 'utf8');
  const named = new Set(headers.map(([name]) => name.toLowerCase()));
  const measured =
    body !== undefined && !named.has('content-length') && !named.has('transfer-encoding')
      ? [['Content-Length', String(content.length)] as const]
      : [];
  const lines = [...headers, ...measured].map(([name, value]) => `${name}: ${value}\r\n`).join('');
  return Buffer.concat([Buffer.from(`${method} ${target} ${version}\r\n${lines}\r\n`, 'utf8'), content]);
}

/** The request to read, and in base64 to send again: `base64 -d | nc`. The same seed makes it again in full. */
export function replayOf({ bytes }: Pick<FuzzRequest, 'bytes'>): string {
  const part = bytes.subarray(0, SHOWN);
  const cut = bytes.length > SHOWN ? ` (the first ${SHOWN} of ${bytes.length} bytes)` : '';
  return `${JSON.stringify(part.toString('latin1'))}${cut}\n${part.toString('base64')}`;
}

const SHOWN = 1_500;
