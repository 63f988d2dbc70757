import { homedir } from 'node:os';
import { join } from 'node:path';

/** Where this user's programs keep what outlives a run: /var/lib/ffmpeg-master for root, else below XDG_STATE_HOME or ~/.local/state. */
export function stateFolder(
  env: NodeJS.ProcessEnv = process.env,
  uid: number | undefined = process.getuid?.(),
): string {
  if (uid === 0) return '/var/lib/ffmpeg-master';
  // The XDG specification says that a relative path there is to be ignored.
  const base = env['XDG_STATE_HOME']?.startsWith('/')
    ? env['XDG_STATE_HOME']
    : join(homedir(), '.local', 'state');
  return join(base, 'ffmpeg-master');
}
