import { beforeEach, describe, expect, it } from 'vitest';
import type { Lane } from '../jobs/lanes.repository.js';
import { LaneBoard } from './lane-board.js';

/** Microseconds. */
const SECOND = 1_000_000;

const settings = {
  name: 'default',
  rank: null,
  aging_step_us: null,
  max_running: null,
  paused: false,
  at_limit: false,
};
const lane = { id: 7, tenant_id: 'default', queue: 'default', priority: 'medium', requirement: {} } as Lane;
let board: LaneBoard;

beforeEach(() => {
  board = new LaneBoard(() => settings);
  board.add(lane, 10, 50 * SECOND);
  board.taken(lane.id, 0, 4, 100 * SECOND, false);
});

describe('a low-water mark', () => {
  it('stands where the last claim ended', () => {
    expect(board.lowWater(lane.id)).toBe(100 * SECOND);
  });

  it('is read from three seconds below after a short claim, once, and then the lane leaves the board', () => {
    const version = board.get(lane.id)?.version ?? -1;
    expect(board.short(lane.id, version)).toBe(false);
    expect(board.lowWater(lane.id)).toBe(97 * SECOND);
    expect(board.get(lane.id)).toBeDefined();
    expect(board.short(lane.id, version)).toBe(true);
    expect(board.get(lane.id)).toBeUndefined();
  });

  it('keeps the lane on the board where work was announced since the claim was sent', () => {
    const version = board.get(lane.id)?.version ?? -1;
    board.short(lane.id, version);
    board.add(lane, 1, 101 * SECOND);
    expect(board.short(lane.id, version)).toBe(false);
    expect(board.get(lane.id)).toBeDefined();
  });

  it('is trusted again after a claim that was not short', () => {
    board.short(lane.id, 0);
    board.taken(lane.id, 97 * SECOND, 1, 101 * SECOND, false);
    expect(board.lowWater(lane.id)).toBe(101 * SECOND);
  });

  it('falls to a head that a look found below it', () => {
    board.seen(lane, 20 * SECOND);
    expect(board.lowWater(lane.id)).toBe(20 * SECOND);
  });

  it('is not raised by a claim that was sent before the look found something below', () => {
    board.seen(lane, 20 * SECOND);
    board.taken(lane.id, 100 * SECOND, 4, 120 * SECOND, false);
    expect(board.lowWater(lane.id)).toBe(20 * SECOND);
  });

  it('outlives the lane that a look found empty, unless work was announced since the look began', () => {
    const versions = board.versions();
    board.add(lane, 1, 101 * SECOND);
    board.gone(lane.id, versions.get(lane.id) ?? -1);
    expect(board.get(lane.id)).toBeDefined();
    board.gone(lane.id, board.versions().get(lane.id) ?? -1);
    expect(board.get(lane.id)).toBeUndefined();
    expect(board.lowWater(lane.id)).toBe(100 * SECOND);
  });

  it('stays where a look found a head above it, and outlives its lane on the board', () => {
    board.seen(lane, 130 * SECOND);
    board.remove(lane.id);
    expect(board.lowWaters()).toEqual([{ lane_id: lane.id, low_water: 100 * SECOND }]);
  });
});
