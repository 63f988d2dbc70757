/** Where the masters are and with which key to speak to them. */
import { readFileSync } from 'node:fs';
import type { ClientTls } from '../../config/client-tls.js';
import { Misuse } from '../failures.js';
import { readClusterNote, type ClusterNote } from './local-cluster-note.js';
import { readTlsFiles, type TlsFlags } from './tls-files.js';

export interface Connection {
  /** Base URLs without a slash at the end, in the order to try them. */
  readonly masters: readonly string[];
  readonly key?: string;
  readonly tls?: ClientTls;
}

export interface ConnectionFlags extends TlsFlags {
  /** URLs, comma separated. */
  readonly master?: string;
  readonly keyFile?: string;
}

/**
 * Flags before environment (MASTER_URL, MASTER_API_KEY) before the cluster that `up` runs on this machine.
 * The key of that cluster is used for its own masters alone: it must not reach another host.
 */
export function resolveConnection(
  flags: ConnectionFlags,
  env: NodeJS.ProcessEnv = process.env,
  local: ClusterNote | undefined = readClusterNote(),
): Connection {
  const written = flags.master ?? (env['MASTER_URL'] || undefined);
  const masters = written === undefined ? (local?.masters ?? [DEFAULT_MASTER]) : readUrls(written);
  const ours =
    local !== undefined &&
    masters.every((url) => local.masters.includes(url.replace('//localhost:', '//127.0.0.1:')));
  const keyFile = flags.keyFile ?? (env['MASTER_API_KEY'] || !ours ? undefined : local.key_file);
  const key = keyFile === undefined ? env['MASTER_API_KEY'] || undefined : readKey(keyFile);
  const tls = readTlsFiles(flags, env);
  return { masters, ...(key !== undefined && { key }), ...(tls !== undefined && { tls }) };
}

export function readUrls(written: string): string[] {
  const urls = written.split(',').map((url) => url.trim());
  for (const url of urls) {
    const parsed = URL.canParse(url) ? new URL(url) : undefined;
    if (parsed === undefined || !/^https?:$/.test(parsed.protocol) || parsed.username !== '') {
      throw new Misuse(
        `the master's address ${JSON.stringify(url)} must be a URL such as http://127.0.0.1:8080; separate several by commas`,
      );
    }
  }
  return urls.map((url) => url.replace(/\/+$/, ''));
}

const DEFAULT_MASTER = 'http://127.0.0.1:8080';

function readKey(file: string): string {
  let key: string;
  try {
    key = readFileSync(file, 'utf8').trim();
  } catch (error) {
    throw new Misuse(
      `the key file ${file} cannot be read (${(error as NodeJS.ErrnoException).code}); name another one with --key-file or set MASTER_API_KEY`,
    );
  }
  if (key === '')
    throw new Misuse(`the key file ${file} is empty; write the key into it or set MASTER_API_KEY`);
  return key;
}
