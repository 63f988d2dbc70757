import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { loadSettings } from '../config/load-settings.js';
import { PRIORITIES } from '../protocol/priority.js';
import { compareLanes, type Place, type QueueSettings } from './lane-order.js';

const folder = mkdtempSync(join(tmpdir(), 'lane-order-'));
afterAll(() => rmSync(folder, { recursive: true }));

const NOW = 1.7e15;
const MINUTE = 60e6;

interface Waiting extends Place {
  readonly queue: string;
}
const waiting = (queue: string, priority: Place['priority'], minutes = 0): Waiting => ({
  queue,
  priority,
  head: NOW - minutes * MINUTE,
});

/** As `<queue> <priority>`, in the order in which they are served. */
function served(yaml: string, lanes: readonly Waiting[]): string[] {
  const file = join(folder, 'settings.yaml');
  writeFileSync(file, yaml);
  const { queues } = loadSettings({ configFile: file, env: {} });
  const settingsOf = (name: string): QueueSettings => ({
    name,
    rank: queues[name]?.rank ?? null,
    aging_step_us: queues[name]?.aging_step === undefined ? null : queues[name].aging_step * 1_000,
    max_running: null,
    paused: false,
    at_limit: false,
  });
  return [...lanes]
    .sort((a, b) => compareLanes(a, settingsOf(a.queue), b, settingsOf(b.queue)))
    .map(({ queue, priority }) => `${queue} ${priority}`);
}

const ALL = ['batch', 'default', 'live'].flatMap((queue) =>
  PRIORITIES.map((priority) => waiting(queue, priority)),
);
const BY_RANK = ['live', 'default', 'batch'].flatMap((queue) =>
  PRIORITIES.map((priority) => `${queue} ${priority}`),
);

/** What the guide tells whoever wants aging, as it stands there. */
const GUIDE =
  /```yaml\n(\s*queues:[\s\S]*?)```/.exec(
    readFileSync(join(import.meta.dirname, '../../docs/moving-from-ffmpeg-rtmp.md'), 'utf8'),
  )?.[1] ?? '';

it('is by queue and priority where nothing ages, and where all do by the example of the guide', () => {
  expect(GUIDE).toContain('aging_step');
  expect(served('{}', ALL)).toEqual(BY_RANK);
  expect(served(GUIDE, ALL)).toEqual(BY_RANK);
});

it('lets a job go up one level for each step that it waited, by the example of the guide', () => {
  const fresh = [waiting('live', 'medium'), waiting('default', 'medium')];
  expect(served(GUIDE, [...fresh, waiting('batch', 'low', 19)])).toEqual([
    'live medium',
    'default medium',
    'batch low',
  ]);
  expect(served(GUIDE, [...fresh, waiting('batch', 'low', 21)])[1]).toBe('batch low');
  expect(served(GUIDE, [...fresh, waiting('batch', 'low', 36)])[0]).toBe('batch low');
});

it('may stay strict for what shall wait behind all that age', () => {
  const yaml = 'queues: { live: { aging_step: 5m }, default: { aging_step: 5m } }';
  expect(served(yaml, [waiting('batch', 'high', 10_000), ...ALL.slice(3)]).at(-1)).toBe('batch high');
});

it('refuses what would let a queue wait behind one of its own or a larger rank that ages', () => {
  for (const [yaml, keys] of [
    ['queues: { default: { aging_step: 5m }, batch: { aging_step: 5m } }', ['live']],
    ['queues: { batch: { aging_step: 5m } }', ['live', 'default']],
    ['queues: { live: { aging_step: 5m }, nightly: { rank: 0 } }', ['nightly']],
  ] as const)
    for (const key of keys)
      expect(() => served(yaml, ALL)).toThrow(new RegExp(`queues\\.${key}\\.aging_step.*would wait behind`));
});
