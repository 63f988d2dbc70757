/** `serve` with the flags of ffmpeg-rtmp's master: its arguments in words of ours. */
import { existsSync } from 'node:fs';
import { GoFlagError } from '../ffrtmp/settings/go-flags.js';
import { isOldStart, OldFlagError, readOldStart, type OldStart } from '../ffrtmp/settings/old-flags.js';
import { Misuse } from './failures.js';

/**
 * @param argv behind the name of the command; answers the same where they are ours
 * @param env gets the key that was given as a flag, for no setting of ours may hold it
 */
export function translateOldStart(argv: readonly string[], env: NodeJS.ProcessEnv): readonly string[] {
  if (!isOldStart(argv)) {
    if (!env.MASTER_API_KEY && env.FFMPEG_RTMP_API_KEY) env.MASTER_API_KEY = env.FFMPEG_RTMP_API_KEY;
    return argv;
  }
  const { settings, defaults, ours, apiKey, notes } = read(argv, env);
  if (apiKey !== undefined) env.MASTER_API_KEY = apiKey;
  for (const note of notes) process.stderr.write(`ffmpeg-master: ${note}\n`);
  return [...asFlags('--set', settings), ...asFlags('--unless-set', defaults), ...ours];
}

function asFlags(flag: string, settings: Readonly<Record<string, string>>): string[] {
  return Object.entries(settings).flatMap(([key, value]) => [flag, `${key}=${value}`]);
}

function read(argv: readonly string[], env: NodeJS.ProcessEnv): OldStart {
  try {
    return readOldStart(argv, { env, exists: existsSync });
  } catch (error) {
    if (error instanceof OldFlagError || error instanceof GoFlagError) throw new Misuse(error.message);
    throw error;
  }
}
