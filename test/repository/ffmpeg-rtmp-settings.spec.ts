import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { OLD_FLAGS } from '../../src/ffrtmp/settings/old-flags.js';
import { PRODUCTION_KEYS } from '../../src/ffrtmp/settings/production-layout.js';

const page = readFileSync(join(import.meta.dirname, '../../docs/ffmpeg-rtmp-settings.md'), 'utf8');
const firstCells = page
  .split('\n')
  .flatMap((line) => (line.startsWith('| `') ? [line.split('|')[1] ?? ''] : []));
const listed = firstCells.flatMap((cell) => [...cell.matchAll(/`([^`]+)`/g)].map(([, name]) => name));

it('docs/ffmpeg-rtmp-settings.md lists each flag and key that is understood, and no other', () => {
  const understood = [...OLD_FLAGS.map((flag) => `-${flag}`), ...PRODUCTION_KEYS];
  expect([...listed].sort()).toEqual([...understood].sort());
});
