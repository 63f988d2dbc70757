import { expect, it } from 'vitest';
import { keepFigures } from '../rig/figures.js';
import { chaos } from './chaos.js';

const minutes = Number(process.env.CHAOS_MINUTES ?? '1');

it(
  `${minutes} minutes of chaos break no promise`,
  async () => {
    const { counts, jobs, repeats, terms, full, unanswered, violations } = await chaos(minutes * 60_000);
    const sorted = [...counts].sort(([, a], [, b]) => b - a);
    const total = sorted.reduce((sum, [, count]) => sum + count, 0);
    for (const [name, count] of sorted) console.info(`${String(count).padStart(5)}  ${name}`);
    console.info(
      `${total} faults of ${sorted.length} kinds, ${jobs} jobs, ${repeats} repeated attempts, ${terms} terms, ${unanswered} calls unanswered, the greedy node full at ${full} instants, ${violations} violations`,
    );
    keepFigures('chaos', {
      minutes,
      total,
      counts: Object.fromEntries(sorted),
      jobs,
      repeats,
      terms,
      unanswered,
      violations,
    });
    expect(full, 'the node that asks for too much was never full').toBeGreaterThan(0);
    expect(total).toBeGreaterThanOrEqual(Math.max(1, Math.floor(6 * minutes)));
    // What the issue that this was built for asks of half an hour.
    if (minutes >= 30) {
      expect(total).toBeGreaterThanOrEqual(200);
      expect(sorted.length).toBeGreaterThanOrEqual(12);
    }
  },
  minutes * 60_000 + 900_000,
);
