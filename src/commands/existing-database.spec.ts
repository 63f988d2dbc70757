import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { stateFolder } from '../config/state-folder.js';
import { runCommandLine } from './command-line.js';
import { existingDirectory } from './existing-database.js';

let folder: string;
let errors = '';
let output = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'existing-database-'));
  errors = output = '';
  vi.stubEnv('DATABASE_DSN', '');
  vi.stubEnv('DATABASE_TYPE', '');
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => Boolean((errors += String(text))));
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => Boolean((output += String(text))));
});
afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true, force: true });
});

it.each([['doctor'], ['verify'], ['migrate', 'status']])('%s %s makes no database', async (...words) => {
  const commands = {
    doctor: { summary: '', load: () => import('./doctor.js') },
    verify: { summary: '', load: () => import('./verify.js') },
    migrate: { summary: '', load: () => import('./migrate.js') },
  };
  const dataDir = join(folder, 'none');
  expect(await runCommandLine(commands, [...words, '--data-dir', dataDir])).toBe(1);
  expect(errors + output).toContain(`there is no database in ${dataDir} yet; run \`ffmpeg-master up\``);
  expect(existsSync(dataDir)).toBe(false);
});

it('says how far verify looks back as a person writes it', async () => {
  await runCommandLine({ verify: { summary: '', load: () => import('./verify.js') } }, ['verify', '--help']);
  expect(output).toMatch(/\(default:\s+1d\)/);
});

it('is that of the cluster that runs, unless somebody names another', () => {
  mkdirSync(join(folder, 'postgresql', 'data'), { recursive: true });
  writeFileSync(join(folder, 'postgresql', 'data', 'PG_VERSION'), '18\n');
  const note = { pid: process.pid, masters: [], data_dir: folder };
  expect(existingDirectory(stateFolder(), note)).toBe(folder);
  expect(() => existingDirectory(join(folder, 'other'), note)).toThrow(/no database in .*other yet/);
});
