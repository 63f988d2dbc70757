import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { LocalSignals } from '../../test/support/local-signals.js';
import type { LaneDirectory } from '../jobs/lane-directory.js';
import type { Lane } from '../jobs/lanes.repository.js';
import type { ClaimRepository, LaneOffer, PartAnswer } from './claim.repository.js';
import { LaneWatch } from './lane-watch.js';
import type { QueueDirectory } from './queue-directory.js';

const lane = { id: 7, tenant_id: 'default', queue: 'limited', priority: 'medium', requirement: {} } as Lane;
const settings = { rank: null, aging_step_us: null, max_running: 1, paused: false, at_limit: false };
const REFUSED: PartAnswer = {
  again: false,
  able: true,
  full: false,
  refused: true,
  short: false,
  attempts: [],
};
const SHORT: PartAnswer = { ...REFUSED, refused: false, short: true };

let watch: LaneWatch;
let signals: LocalSignals;
/** The marks that each look at the heads was given. */
let looks: (readonly LaneOffer[])[];
/** Milliseconds that a look takes. */
let cost: number;

beforeEach(async () => {
  vi.useFakeTimers();
  looks = [];
  cost = 0;
  const laneHeads = (marks: readonly LaneOffer[]) => {
    looks.push(marks);
    return new Promise<never[]>((resolve) => setTimeout(() => resolve([]), cost));
  };
  signals = new LocalSignals();
  watch = new LaneWatch(
    { wholeLaneHeads: () => laneHeads([]), laneHeadsAbove: laneHeads } as unknown as ClaimRepository,
    { byIds: (ids: number[]) => Promise.resolve(ids.map(() => lane)) } as unknown as LaneDirectory,
    {
      get: (name: string) => ({ name, ...settings }),
      onChange: () => undefined,
    } as unknown as QueueDirectory,
    signals,
    pino({ level: 'silent' }),
  );
  watch.onModuleInit();
  await announce();
});

afterEach(() => {
  watch.onModuleDestroy();
  vi.useRealTimers();
});

async function announce(): Promise<void> {
  signals.send('lane', String(lane.id), 2);
  await vi.advanceTimersByTimeAsync(0);
}

const isOpen = () => watch.open().length === 1;
const learn = (offers: ReturnType<LaneWatch['offers']>, answer: PartAnswer) =>
  watch.learn(offers, new Map([[lane.id, [answer]]]));

describe('a queue at its limit', () => {
  it('is not offered again before it is reopened', () => {
    learn(watch.offers([lane.id]), REFUSED);
    expect(isOpen()).toBe(false);
    watch.reopen([lane.queue]);
    expect(isOpen()).toBe(true);
  });

  it('is offered again where it was reopened while the refusal was on its way', () => {
    const offers = watch.offers([lane.id]);
    watch.reopen([lane.queue]);
    learn(offers, REFUSED);
    expect(isOpen()).toBe(true);
  });
});

describe('a look at the lane heads', () => {
  /** Takes a job, so that the lane has a mark. */
  function take(): void {
    const taken = { ...REFUSED, refused: false, attempts: [{ position: 1e9 }] } as unknown as PartAnswer;
    learn(watch.offers([lane.id]), taken);
  }

  /** Lets the look that is under way end. */
  const end = () => vi.advanceTimersByTimeAsync(cost + 1);

  it('reads whole lanes each second where that is quick', async () => {
    take();
    await end();
    for (let second = 0; second < 3; second += 1) {
      await vi.advanceTimersByTimeAsync(1000);
      void watch.readHeads();
      await end();
    }
    expect(looks.slice(-3)).toEqual([[], [], []]);
  });

  it('reads them for a twentieth of the time where it is slow, and from the marks in between', async () => {
    cost = 200;
    take();
    await end();
    looks.length = 0;
    for (let second = 0; second < 12; second += 1) {
      await vi.advanceTimersByTimeAsync(1000 - cost - 1);
      void watch.readHeads();
      await end();
    }
    expect(looks.filter((marks) => marks.length === 0)).toHaveLength(3);
    expect(looks.filter((marks) => marks.length === 1)).toHaveLength(9);
  });

  it('ends within eight seconds after the last one, however long it takes', async () => {
    cost = 3000;
    take();
    await end();
    looks.length = 0;
    await vi.advanceTimersByTimeAsync(8000 - 2 * cost);
    void watch.readHeads();
    await end();
    expect(looks).toEqual([[]]);
  });

  it('is taken where something was announced and nothing found above the mark', async () => {
    take();
    await end();
    await announce();
    looks.length = 0;
    learn(watch.offers([lane.id]), SHORT);
    learn(watch.offers([lane.id]), SHORT);
    expect(isOpen()).toBe(false);
    await vi.advanceTimersByTimeAsync(105);
    expect(looks).toEqual([[]]);
  });
});
