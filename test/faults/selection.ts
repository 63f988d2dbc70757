/**
 * Which faults a run injects: `FAULTS=brief` (part of `npm test`, at most 3 minutes), `ci` (what `.ci/run` adds to
 * those, at most 8) or `full` (`npm run test:faults`). A file is chosen as a whole.
 */

export type Effort = 'brief' | 'ci' | 'full';

/** In guarantees.md's words: 10 repeats against the bound as it stands, else 5 against three times the bound. */
export interface Measuring {
  readonly repeats: number;
  readonly times: number;
}

export function effort(): Effort {
  const wanted = process.env.FAULTS ?? 'brief';
  if (wanted !== 'brief' && wanted !== 'ci' && wanted !== 'full') {
    throw new Error(`FAULTS is ${wanted}; it may be brief, ci or full.`);
  }
  return wanted;
}

export function measuring(): Measuring {
  return effort() === 'full' ? { repeats: 10, times: 1 } : { repeats: 5, times: 3 };
}

/** File names under test/faults without their ending. */
const SELECTION: Readonly<Record<'fault' | 'bound', Readonly<Record<'brief' | 'ci', readonly string[]>>>> = {
  fault: { brief: ['f02-masters-killed'], ci: [] },
  bound: { brief: [], ci: [] },
};

/** The files of one kind, as vitest's `include`. */
export function selectedFaults(kind: 'fault' | 'bound'): string[] {
  const selected = effort();
  if (selected === 'full') return [`test/faults/*.${kind}.spec.ts`];
  return SELECTION[kind][selected].map((name) => `test/faults/${name}.${kind}.spec.ts`);
}
