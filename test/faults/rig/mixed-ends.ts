/** How attempts end in a fleet that is not perfect: of 100 about 88 complete, 6 fail, 6 are handed back. */
import type { Ending } from './known-worker.js';
import type { Random } from '../../support/seed.js';

/**
 * Of the failures one in three is for good; the others are tried again as long as the job has retries. The first two
 * ends are a release and such a failure, so that the shortest of tests has one of each.
 */
export function mixedEnds(random: Random): () => Ending {
  const first = [88, 94];
  return () => {
    const chance = first.shift() ?? random.below(100);
    if (chance < 88) return { status: 'completed' };
    if (chance < 94) return { status: 'released' };
    const failure_reason = chance < 98 ? 'runtime_error' : 'user_error';
    return { status: 'failed', error: 'as the test wanted', failure_reason };
  };
}
