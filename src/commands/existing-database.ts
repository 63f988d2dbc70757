/** The embedded database for commands that only look: the one that is there, made by none of them. */
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { stateFolder } from '../config/state-folder.js';
import { clusterPaths } from '../database/embedded/cluster.js';
import { Failure } from './failures.js';
import { type EmbeddedServer, joinEmbeddedServer } from './embedded-server.js';
import { type ClusterNote, readClusterNote } from './rest/local-cluster-note.js';

/**
 * Joins the server of a data directory; where nobody named one, that of the cluster which `up` runs now.
 * @throws Failure where there is no database yet; nothing is created then.
 */
export async function joinExistingServer(
  dataDir: string,
  local: ClusterNote | undefined = readClusterNote(),
): Promise<EmbeddedServer & { dataDir: string }> {
  const directory = existingDirectory(dataDir, local);
  return { ...(await joinEmbeddedServer(directory)), dataDir: directory };
}

export function existingDirectory(dataDir: string, local: ClusterNote | undefined): string {
  const directory = resolve(dataDir === stateFolder() ? (local?.data_dir ?? dataDir) : dataDir);
  if (!existsSync(join(clusterPaths(directory).data, 'PG_VERSION'))) {
    throw new Failure(
      `there is no database in ${directory} yet; run \`ffmpeg-master up\` or \`ffmpeg-master migrate up\`, or name its folder with --data-dir`,
    );
  }
  return directory;
}
