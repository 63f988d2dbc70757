import { homedir } from 'node:os';
import { describe, expect, it } from 'vitest';
import { stateFolder } from './state-folder.js';

describe('stateFolder', () => {
  it.each<[NodeJS.ProcessEnv, number, string]>([
    [{}, 0, '/var/lib/ffmpeg-master'],
    [{ XDG_STATE_HOME: '/state' }, 0, '/var/lib/ffmpeg-master'],
    [{ XDG_STATE_HOME: '/state' }, 1000, '/state/ffmpeg-master'],
    [{ XDG_STATE_HOME: 'relative' }, 1000, `${homedir()}/.local/state/ffmpeg-master`],
    [{}, 1000, `${homedir()}/.local/state/ffmpeg-master`],
  ])('of %j for user %s is %s', (env, uid, expected) => {
    expect(stateFolder(env, uid)).toBe(expected);
  });
});
