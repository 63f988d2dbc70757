import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import type { Settings } from '../config/settings.js';

/** Who this process is among the masters. A restarted master is a new one. */
export class MasterIdentity {
  readonly id = randomUUID();
  readonly host = hostname();
  readonly pid = process.pid;
  readonly version = programVersion();
  readonly started_at = new Date();
  /** Under which others reach its API, as far as the settings tell. */
  readonly url: string;
  readonly name: string;

  constructor({ api }: Pick<Settings, 'api'>) {
    const everywhere = api.host === '0.0.0.0' || api.host === '::';
    const host = everywhere ? this.host : api.host;
    const written = host.includes(':') ? `[${host}]` : host;
    this.url = `${api.tls_enabled ? 'https' : 'http'}://${written}:${api.port}`;
    this.name = `${this.host}:${api.port}`;
  }
}

function programVersion(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}
