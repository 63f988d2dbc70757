/** Occupies connections of a pool, as slow lists and duties would, until told to let go. */
import type { Database } from '../../src/database/database.js';

/** Answers once so many ordinary statements hold a connection each. Idle transactions live five seconds. */
export async function holdConnections(
  database: Database,
  count: number,
): Promise<{ release: () => Promise<void> }> {
  let letGo = () => {};
  const until = new Promise<void>((resolve) => (letGo = resolve));
  const holders: Promise<void>[] = [];
  for (let n = 0; n < count; n += 1) {
    await new Promise<void>((held, failed) => {
      const holder = database.transaction(() => (held(), until));
      holder.catch(failed);
      holders.push(holder);
    });
  }
  return {
    release: async () => {
      letGo();
      await Promise.all(holders);
    },
  };
}
