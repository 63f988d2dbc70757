/** docs/settings.md says of every setting its key, its name in the environment and its default. */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { describeSettings } from './describe-settings.js';
import { loadSettings } from './load-settings.js';
import { ADMIN_KEY, environmentName, fixedKeys, queueKeys } from './setting-keys.js';

const guide = readFileSync(new URL('../../docs/settings.md', import.meta.url), 'utf8');
const rows = guide
  .split('\n')
  .filter((line) => line.startsWith('| `'))
  .map((line) => line.split('|').map((cell) => cell.trim().replaceAll('`', '')));
const defaults = describeSettings(loadSettings({ env: {} }));

/** Defaults that the guide tells in words, because the machine or another setting decides them. */
const inWords = /^(database\.(type|data_dir)|worker\.(output_dir|work_dir))$/;

const keys = [...fixedKeys(), ...queueKeys('<name>')].filter(({ key }) => key !== ADMIN_KEY);

it.each(keys)('the guide has $key', ({ key, path }) => {
  const [section = '', name = ''] = path;
  const row = rows.find((cells) => cells[1] === key);
  const variable = environmentName(path).replace('__NAME__', '_<NAME>_');
  expect(row?.[2]).toBe(variable);
  const value = (defaults[section] as Record<string, unknown> | undefined)?.[name];
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') {
    if (!inWords.test(key)) expect(row?.[3]).toBe(String(value));
  }
  expect(row?.[4]).not.toBe('');
});

it('the guide has no other key', () => {
  const known = new Set(keys.map(({ key }) => key));
  const listed = rows.map((cells) => cells[1] ?? '').filter((key) => key.includes('.'));
  expect(listed.filter((key) => !known.has(key))).toEqual([]);
  expect(listed).toHaveLength(known.size);
});
