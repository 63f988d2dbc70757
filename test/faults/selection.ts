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

/**
 * File names under test/faults without their ending; `full` has all. By what they take on two quiet cores: brief 2
 * minutes, ci 7. The twenty masters of f16 alone take 3 minutes of both cores.
 */
const SELECTION: Readonly<Record<'fault' | 'bound', Readonly<Record<'brief' | 'ci', readonly string[]>>>> = {
  fault: {
    brief: [
      'f03-leader-stopped',
      'f05-backends-terminated',
      'f10-no-connections-left',
      'f13-pgbouncer',
      'f14-same-submit',
      'f15-endings-race',
      'f23-lying-worker',
      'f24-lost-answers',
      'f25-killed-before-publication',
    ],
    ci: [
      'f01-worker-killed',
      'f02-masters-killed',
      'f04-worker-stopped',
      'f06-postgres-stops',
      'f07-asynchronous',
      'f07-promotion',
      'f08-half-open',
      'f09-notify-dropped',
      'f11-old-snapshots',
      'f12-clocks-wrong',
      'f17-rolling-upgrade',
      'f18-worker-cut-off',
      'f19-claims-fail',
      'f20-event-loop-blocked',
      'f21-balanced-worker',
      'f22-poison-job',
      'patroni',
    ],
  },
  bound: { brief: ['database-lost'], ci: ['leader-lost', 'listener-dies', 'worker-dies'] },
};

/** Faults that leave nothing of the machine to others: they run where nothing else does. */
const HEAVY: readonly string[] = ['f16-start-together'];

/** The files of one kind, as vitest's `include`. */
export function selectedFaults(kind: 'fault' | 'bound'): string[] {
  const selected = effort();
  if (selected === 'full') {
    const alone = HEAVY.map((name) => `test/faults/${name}.fault.spec.ts`);
    if (kind === 'bound') return ['test/faults/*.bound.spec.ts', ...alone];
    return [`test/faults/!(${HEAVY.join('|')}).fault.spec.ts`];
  }
  return SELECTION[kind][selected].map((name) => `test/faults/${name}.${kind}.spec.ts`);
}
