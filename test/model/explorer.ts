/**
 * Walks every state that a system can reach, breadth first, so that the first path to a violation is one of
 * the shortest. States are told apart by their canonical key, and only the frontier is kept whole: of the others
 * stay the key, the step that found them, and the edges, as numbers.
 *
 * Afterwards the edges are walked backwards from each goal: a state from which a goal can no longer be reached
 * is a dead end, and a violation, too.
 */

export interface Step<State, Fact> {
  /** What happens, for people. */
  readonly label: string;
  /** The state itself where nothing changes. */
  readonly next: State;
  /** What the step did, for the judge. */
  readonly facts: readonly Fact[];
}

export interface Violation {
  /** Of the invariant. */
  readonly id: string;
  readonly message: string;
}

export interface System<State, Fact> {
  readonly initial: State;
  steps(state: State): Iterable<Step<State, Fact>>;
  /** The same for states that differ in nothing that matters. */
  key(state: State): string;
  /** What is wrong with a step. */
  judgeStep(before: State, step: Step<State, Fact>): readonly Violation[];
  /** What is wrong with a state, asked once of each. */
  judgeState(state: State): readonly Violation[];
  /** What must stay within reach of every state. */
  readonly goals: readonly { readonly id: string; reached(state: State): boolean }[];
}

export interface Exploration {
  readonly states: number;
  /** Steps that were judged, those that change nothing included. */
  readonly transitions: number;
  /** How many facts of each kind were judged. */
  readonly facts: ReadonlyMap<string, number>;
  readonly found?: Violation & { readonly path: readonly string[] };
}

/**
 * Explores until a violation of one of the `sought` is found, or of any where none are named.
 * @throws where there are more than `limit` states: the bounds are too wide
 */
export function explore<State, Fact extends { readonly kind: string }>(
  system: System<State, Fact>,
  { sought, limit = 1_000_000 }: { sought?: readonly string[]; limit?: number } = {},
): Exploration {
  const seen = new Map<string, number>([[system.key(system.initial), 0]]);
  const parents = [0];
  const labels = [''];
  const edges: { from: number[]; to: number[] } = { from: [], to: [] };
  const reached = system.goals.map((goal) => (goal.reached(system.initial) ? [0] : []));
  const facts = new Map<string, number>();
  let transitions = 0;
  const pathTo = (state: number): string[] => {
    const path: string[] = [];
    for (let at = state; at !== 0; at = parents[at] ?? 0) path.unshift(labels[at] ?? '');
    return path;
  };
  const isSought = ({ id }: Violation): boolean => sought?.includes(id) ?? true;
  const told = (found?: Exploration['found']): Exploration => ({
    states: seen.size,
    transitions,
    facts,
    ...(found && { found }),
  });

  let frontier: (readonly [number, State])[] = [[0, system.initial]];
  while (frontier.length > 0) {
    const following: typeof frontier = [];
    for (const [from, state] of frontier) {
      for (const step of system.steps(state)) {
        transitions += 1;
        for (const { kind } of step.facts) facts.set(kind, (facts.get(kind) ?? 0) + 1);
        const key = step.next === state ? undefined : system.key(step.next);
        let to = key === undefined ? from : seen.get(key);
        const violation =
          system.judgeStep(state, step).find(isSought) ??
          (to === undefined ? system.judgeState(step.next).find(isSought) : undefined);
        if (violation) return told({ ...violation, path: [...pathTo(from), step.label] });
        if (key === undefined) continue;
        if (to === undefined) {
          to = seen.size;
          if (to >= limit) throw new Error(`there are more than ${limit} states: bound the model further`);
          seen.set(key, to);
          parents.push(from);
          labels.push(step.label);
          following.push([to, step.next]);
          system.goals.forEach((goal, index) => {
            if (goal.reached(step.next)) reached[index]?.push(to ?? 0);
          });
        }
        edges.from.push(from);
        edges.to.push(to);
      }
    }
    frontier = following;
  }

  for (const [index, { id }] of system.goals.entries()) {
    if (sought !== undefined && !sought.includes(id)) continue;
    const lost = firstCutOff(seen.size, edges, reached[index] ?? []);
    if (lost !== undefined) {
      return told({ id, message: 'from here on it is out of reach', path: pathTo(lost) });
    }
  }
  return told();
}

/** The first state found from which none of the `goals` can be reached. */
function firstCutOff(
  states: number,
  { from, to }: { from: readonly number[]; to: readonly number[] },
  goals: readonly number[],
): number | undefined {
  // Edges sorted by where they lead: those to state n stand at `begin[n]` up to `begin[n + 1]`.
  const begin = new Uint32Array(states + 1);
  for (const state of to) begin[state + 1]! += 1;
  for (let state = 0; state < states; state += 1) begin[state + 1]! += begin[state]!;
  const free = begin.slice();
  const sources = new Uint32Array(from.length);
  for (const [edge, state] of to.entries()) sources[free[state]!++] = from[edge]!;

  const safe = new Uint8Array(states);
  const open = [...goals];
  for (const state of goals) safe[state] = 1;
  for (let state = open.pop(); state !== undefined; state = open.pop()) {
    for (let edge = begin[state]!; edge < begin[state + 1]!; edge += 1) {
      const source = sources[edge]!;
      if (safe[source] === 0) {
        safe[source] = 1;
        open.push(source);
      }
    }
  }
  const lost = safe.indexOf(0);
  return lost < 0 ? undefined : lost;
}
