/** Which queue comes before which, and a rule of their settings that keeps it so. */
import type { SettingProblem } from './configuration-error.js';
import type { QueueSettings } from './settings.js';

const RANKS: Readonly<Record<string, number>> = { live: 0, default: 1, batch: 2 };

/** The rank of a queue that was given none: smaller is served first. */
export function rankOf(queue: string): number {
  return RANKS[queue] ?? 1;
}

/**
 * A queue whose order is strict stands behind every queue that ages: its levels are 50 years apart, the other's minutes.
 * That is right for one of a higher rank alone. Any other would wait until those that age are empty.
 */
export function strictBeforeAging(queues: Readonly<Record<string, QueueSettings>>): SettingProblem[] {
  const ranks = new Map<string, number>();
  for (const name of [...Object.keys(RANKS), ...Object.keys(queues)])
    ranks.set(name, queues[name]?.rank ?? rankOf(name));
  const aging = [...ranks].filter(([name]) => queues[name]?.aging_step !== undefined);
  return [...ranks].flatMap(([name, rank]) => {
    if (queues[name]?.aging_step !== undefined) return [];
    const [overtaking] = aging.find(([, other]) => other >= rank) ?? [];
    if (overtaking === undefined) return [];
    return [
      {
        key: `queues.${name}.aging_step`,
        allowed: `a duration, such as that of ${overtaking}: without one, ${name} would wait behind all of ${overtaking}, which ages`,
      },
    ];
  });
}
