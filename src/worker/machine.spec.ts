import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { plainToInstance } from 'class-transformer';
import { validateSync } from 'class-validator';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { NodeRegistration } from '../protocol/node-registration.js';
import { findFfmpeg } from './ffmpeg-binaries.js';
import { inspectMachine } from './machine.js';

let folder: string;
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'machine-'))));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe('inspectMachine', { timeout: 60_000 }, () => {
  it('finds what the masters accept as a registration', async () => {
    const { capabilities } = await inspectMachine({ workDir: folder });
    const registration = { ...capabilities, name: 'w', instance_id: crypto.randomUUID(), slots: 1 };
    expect(validateSync(plainToInstance(NodeRegistration, registration))).toEqual([]);
    expect(capabilities.encoders).toEqual(expect.arrayContaining(['libx264', 'libx265', 'libvpx-vp9']));
    expect(capabilities.ffmpeg_version).not.toBe('');
    // Compiled into many builds, but there is no such card here to prove it on.
    expect(capabilities.encoders).not.toContain('hevc_videotoolbox');
  });

  it('remembers its trials for as long as the binary is the same', async () => {
    const log = join(folder, 'runs');
    const { ffmpeg } = await findFfmpeg();
    const wrapper = join(folder, 'ffmpeg');
    // The encoder under test, so that runs can be counted.
    writeFileSync(wrapper, `#!/bin/sh\necho "$@" >> ${log}\nexec ${ffmpeg} "$@"\n`);
    chmodSync(wrapper, 0o755);
    const trials = (): number =>
      readFileSync(log, 'utf8')
        .split('\n')
        .filter((line) => line.includes('-c:v libx264')).length;
    const first = await inspectMachine({ ffmpegPath: wrapper, workDir: folder });
    const second = await inspectMachine({ ffmpegPath: wrapper, workDir: folder });
    expect(second.capabilities.encoders).toEqual(first.capabilities.encoders);
    expect(trials()).toBe(1);
    writeFileSync(wrapper, `${readFileSync(wrapper, 'utf8')}# another\n`);
    await inspectMachine({ ffmpegPath: wrapper, workDir: folder });
    expect(trials()).toBe(2);
  });

  it('says what to set where the path is wrong', async () => {
    await expect(findFfmpeg(join(folder, 'absent'))).rejects.toThrow(/worker\.ffmpeg_path/);
  });
});
