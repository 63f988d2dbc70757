/** Runs docs/reliability.mjs on figures that nobody measured, and looks at what it makes of them, and of false ones. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';

const ROOT = join(import.meta.dirname, '../..');
const folder = mkdtempSync(join(tmpdir(), 'reliability-'));
const page = join(folder, 'page.md');
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const BOUNDS = [
  'leader-killed',
  'leader-terminated',
  'leader-resigns',
  'leader-stopped',
  'leader-unreachable',
  'worker-dies',
  'outage-grace',
  'lease-over-new-leader',
  'postgres-restarts',
  'primary-fails-over',
  'listener-dies',
  'claims-without-signals',
];

const OF = { commit: 'c0ffee', seed: 7 };
const bound = (name: string) => ({
  ...OF,
  event: `${name} happens`,
  boundMs: 250,
  measured: 'from here to there',
  min: 90,
  median: 110,
  max: 300,
  repeats: 10,
});
const ASYNCHRONOUS = {
  ...OF,
  ...{ late_ms: 1000, heartbeat_ms: 3000, kills: 1, acknowledged: 291, lost: 8, oldest_ms: 67, reports: 3 },
  ...{ claims: 4, overlaps: 2, longest_overlap_ms: 1800 },
};
const CHAOS = {
  ...OF,
  seed: 8,
  minutes: 30,
  ...{ total: 413, jobs: 14_845, repeats: 1388, terms: 112, unanswered: 5431, violations: 0 },
  counts: { 'F3 leader stopped': 13 },
};

function keep(name: string, figures: object): void {
  writeFileSync(join(folder, `${name}.json`), JSON.stringify(figures));
}

function write(): { status: number | null; stderr: string } {
  return spawnSync(process.execPath, [join(ROOT, 'docs/reliability.mjs'), folder, page], {
    encoding: 'utf8',
  });
}

beforeEach(() => {
  rmSync(page, { force: true });
  for (const name of BOUNDS) keep(name, bound(name));
  keep('asynchronous', ASYNCHRONOUS);
  keep('chaos', CHAOS);
});

describe('the page of what was measured', () => {
  it('is written from the figures, with commit, seeds and what was lost', () => {
    const { status, stderr } = write();
    expect(stderr).toBe('');
    expect(status).toBe(0);
    const text = readFileSync(page, 'utf8');
    expect(text).toContain('`c0ffee`: the faults with seed 7, chaos with seed 8');
    expect(text).toContain('| leader-killed happens | 250 ms | 90 ms / 110 ms / 300 ms | 10 |');
    expect(text).toContain('8 of 291 acknowledged submits, 3 reports and 4 claims');
    expect(text).toContain('2 of the 4 lost claims, for 1800 ms');
    expect(text).toContain('413 faults of 1 kinds');
    expect(text).toContain('0 violations');
    expect(text).not.toMatch(/undefined|NaN/);
  });

  it.each<[string, string, object, RegExp]>([
    ['too few repeats', 'worker-dies', { repeats: 9 }, /worker-dies was repeated 9 times/],
    ['a median above its bound', 'leader-killed', { median: 251 }, /leader-killed took 251 ms/],
    ['no median', 'leader-killed', { median: null }, /leader-killed took null ms/],
    ['another commit', 'chaos', { commit: 'decaf' }, /several commits: c0ffee, decaf/],
    ['a changed tree among others', 'chaos', { commit: 'c0ffee-dirty' }, /several commits/],
    ['no commit', 'asynchronous', { commit: undefined }, /asynchronous is of no known commit/],
    ['no seed', 'listener-dies', { seed: null }, /listener-dies has no seed/],
    ['a short chaos', 'chaos', { minutes: 5 }, /run for 5 minutes/],
    ['a violation', 'chaos', { violations: 1 }, /chaos found 1 violations/],
    ['unknown violations', 'chaos', { violations: undefined }, /chaos found undefined violations/],
  ])('is refused for %s', (_what, name, change, reason) => {
    const whole = name === 'chaos' ? CHAOS : name === 'asynchronous' ? ASYNCHRONOUS : bound(name);
    keep(name, { ...whole, ...change });
    const { status, stderr } = write();
    expect(stderr).toMatch(reason);
    expect(status).toBe(1);
    expect(() => readFileSync(page)).toThrow(/ENOENT/);
  });

  it('is refused where figures are missing', () => {
    rmSync(join(folder, 'chaos.json'));
    const { status, stderr } = write();
    expect(stderr).toMatch(/no figures of chaos/);
    expect(status).toBe(1);
  });
});
