/** Moves a finished file to its logical name below the output directory, following no symbolic link on the way. */

import { lstat, mkdir, open, rename } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { cannotHonour } from './attempt-failure.js';
import { syncFolder } from './durable-file.js';

/**
 * May be repeated: a source that is gone was moved before. The name was checked by output-name.ts; the
 * folders are checked here, since they may have changed while ffmpeg ran.
 */
export async function publishOutput(source: string, outputDir: string, name: string): Promise<void> {
  if (!(await isFile(source))) return;
  await syncFile(source);
  const folder = await realFolder(outputDir, dirname(name));
  // A link that stands at the name itself is replaced by the rename, not followed.
  await rename(source, join(folder, basename(name)));
  await syncFolder(folder);
}

/** @throws AttemptFailure (user_error) where a file stands in the way of a folder, or a folder or link of the name. */
export async function checkPlace(outputDir: string, name: string): Promise<void> {
  const parts = name.split('/');
  for (let count = 1; count <= parts.length; count++) {
    const found = await lstat(join(outputDir, ...parts.slice(0, count))).catch(() => null);
    if (found === null) return;
    const last = count === parts.length;
    if (last ? found.isDirectory() : !found.isDirectory()) {
      const place = parts.slice(0, count).join('/');
      throw cannotHonour(
        'output',
        last ? `${place} is a folder` : `${place} is not a folder, so nothing goes below it`,
      );
    }
  }
}

/** Makes the folders of a logical name. @throws Error where one of them is a link or a file. */
export async function realFolder(outputDir: string, folder: string): Promise<string> {
  let path = outputDir;
  for (const part of folder.split('/').filter((part) => part !== '.')) {
    path = join(path, part);
    await mkdir(path).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    });
    if (!(await lstat(path)).isDirectory())
      throw new Error(`${path} is not a folder; the output cannot go below it`);
  }
  return path;
}

async function isFile(path: string): Promise<boolean> {
  try {
    return (await lstat(path)).isFile();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}

/** ffmpeg does not sync; a published name must not be an empty file after a power cut. */
async function syncFile(path: string): Promise<void> {
  const file = await open(path, 'r+');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}
