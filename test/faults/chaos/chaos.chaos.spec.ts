import { expect, it } from 'vitest';
import { keepFigures } from '../rig/figures.js';
import { chaos } from './chaos.js';

const minutes = Number(process.env.CHAOS_MINUTES ?? '1');

it(
  `${minutes} minutes of chaos break no promise`,
  async () => {
    const { counts, jobs, repeats, terms, unanswered } = await chaos(minutes * 60_000);
    const sorted = [...counts].sort(([, a], [, b]) => b - a);
    const total = sorted.reduce((sum, [, count]) => sum + count, 0);
    for (const [name, count] of sorted) console.info(`${String(count).padStart(5)}  ${name}`);
    console.info(
      `${total} faults of ${sorted.length} kinds, ${jobs} jobs, ${repeats} repeated attempts, ${terms} terms, ${unanswered} calls unanswered, 0 violations`,
    );
    keepFigures('chaos', {
      minutes,
      total,
      counts: Object.fromEntries(sorted),
      jobs,
      repeats,
      terms,
      unanswered,
    });
    expect(total).toBeGreaterThan(0);
  },
  minutes * 60_000 + 900_000,
);
