/** Chance by a seed, which is printed: `FAULT_SEED=…` plays a run again as far as processes allow. */

export interface Random {
  readonly seed: number;
  /** From 0 to 1, exclusive. */
  next(): number;
  /** A whole number from 0 to `end`, exclusive. */
  below(end: number): number;
  pick<T>(from: readonly T[]): T;
}

export function random(seed = givenSeed()): Random {
  let state = seed >>> 0;
  // mulberry32: small, and the same everywhere.
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  const below = (end: number) => Math.floor(next() * end);
  console.info(`seed ${seed}`);
  return {
    seed,
    next,
    below,
    pick: <T>(from: readonly T[]): T => {
      const one = from[below(from.length)];
      if (one === undefined) throw new Error('nothing to pick from');
      return one;
    },
  };
}

function givenSeed(): number {
  const given = process.env.FAULT_SEED;
  if (given === undefined || given === '') return Math.floor(Math.random() * 2 ** 32);
  const seed = Number(given);
  if (!Number.isSafeInteger(seed)) throw new Error(`FAULT_SEED is ${given}; it must be a whole number.`);
  return seed;
}
