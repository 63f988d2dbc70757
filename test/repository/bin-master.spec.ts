/** `./bin/master`, the command of the migration guide, is `ffmpeg-master serve` with the same arguments. */
import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, expect, it } from 'vitest';

const run = promisify(execFile);

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ffmpeg-master-bin-'));
  await cp('bin', join(folder, 'bin'), { recursive: true });
  await cp('package.json', join(folder, 'package.json'));
});
afterEach(async () => {
  await rm(folder, { recursive: true });
});

it('serves with the arguments it was given', async () => {
  await mkdir(join(folder, 'dist'));
  await writeFile(join(folder, 'dist/main.js'), 'console.log(JSON.stringify(process.argv.slice(2)));');
  const { stdout } = await run(join(folder, 'bin/master'), ['--config', 'config-postgres.yaml']);
  expect(JSON.parse(stdout)).toEqual(['serve', '--config', 'config-postgres.yaml']);
});

it('says what to do before the program is built', async () => {
  const attempt = run(join(folder, 'bin/master'), []);
  await expect(attempt).rejects.toMatchObject({ code: 1, stderr: expect.stringContaining('run `npm ci`') });
});
