/** How long a job waits before its next attempt. Pure: the caller brings the dice. */

export interface BackoffSettings {
  /** Milliseconds. */
  readonly initial_backoff: number;
  readonly max_backoff: number;
  readonly backoff_multiplier: number;
}

/** Attempts counted beyond this one wait as long as this one: the cap is reached long before. */
const LONGEST_TABLE = 32;

/** The delay before retry 1, 2, …, in milliseconds and without jitter. */
export function backoffTable(settings: BackoffSettings): number[] {
  return Array.from({ length: LONGEST_TABLE }, (_, index) =>
    Math.min(settings.max_backoff, settings.initial_backoff * settings.backoff_multiplier ** index),
  ).map(Math.round);
}

const LEAST_JITTER = 0.8;
const JITTER_SPREAD = 0.2;

/**
 * A factor of 0.8 to 1, so that the jobs of a node that died do not come back in one instant. Never above 1:
 * nothing waits for longer than max_backoff. Never towards zero, as full jitter would: a backoff is there to
 * let a cause pass.
 */
export function jitter(random: () => number = Math.random): number {
  return LEAST_JITTER + JITTER_SPREAD * random();
}

/** The same factor as an SQL expression, with dice of its own for each row. */
export const JITTER_SQL = `(${LEAST_JITTER} + ${JITTER_SPREAD} * random())`;
