/** The key of a local cluster: MASTER_API_KEY, or one made once and kept beside the data. */
import { randomBytes } from 'node:crypto';
import { chmod, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

export interface ClusterKey {
  readonly key: string;
  /** Where it is kept; absent for MASTER_API_KEY, which is never stored. */
  readonly file?: string;
}

export async function clusterKey(directory: string, given: string | undefined): Promise<ClusterKey> {
  if (given !== undefined) return { key: given };
  const file = join(directory, 'api-key');
  const kept = await readFile(file, 'utf8').catch(() => '');
  if (kept.trim().length >= 16) {
    await chmod(file, 0o600);
    return { key: kept.trim(), file };
  }
  const key = randomBytes(32).toString('base64url');
  await writeFile(file, `${key}\n`, { mode: 0o600 });
  return { key, file };
}
