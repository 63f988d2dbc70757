import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isTerminal, JOB_STATUSES, type JobStatus } from '../protocol/job-status.js';
import {
  ARRIVALS,
  type Edge,
  EDGES,
  isLegal,
  JOB_EVENT_TYPES,
  type JobEventType,
  STILL_EVENTS,
  toMermaid,
} from './state-machine.js';

describe('the state machine', () => {
  it('leads from queued to every state', () => {
    const reached = new Set<string>(['queued']);
    for (let before = 0; before !== reached.size;) {
      before = reached.size;
      for (const edge of EDGES) if (reached.has(edge.from)) reached.add(edge.to);
    }
    expect([...reached].sort()).toEqual([...JOB_STATUSES].sort());
  });

  it('leaves a terminal state by an explicit retry only (I5)', () => {
    const exits = EDGES.filter((edge) => isTerminal(edge.from));
    expect(exits.map((edge) => edge.event)).toEqual(['retried', 'retried']);
  });

  it('lets every state that is not terminal come to an end', () => {
    for (const status of JOB_STATUSES.filter((one) => !isTerminal(one))) {
      const seen = new Set<string>([status]);
      for (let before = 0; before !== seen.size;) {
        before = seen.size;
        for (const edge of EDGES) if (seen.has(edge.from)) seen.add(edge.to);
      }
      expect([...seen].some((one) => isTerminal(one as never))).toBe(true);
    }
  });

  it.each([
    [null, 'queued', 'submitted', true],
    [null, 'running', 'submitted', false],
    ['queued', 'assigned', 'assigned', true],
    ['queued', 'completed', 'completed', false],
    ['completed', 'queued', 'retried', false],
    ['canceled', 'completed', 'completed', false],
    ['running', 'running', 'paused', true],
    ['failed', 'failed', 'paused', false],
    ['running', 'queued', 'completed', false],
  ] as const)('%s to %s by %s: %s', (from, to, event, legal) => {
    expect(isLegal(from, to, event)).toBe(legal);
  });

  it('is drawn in the docs as it is', () => {
    const page = readFileSync(new URL('../../docs/state-machine.md', import.meta.url), 'utf8');
    expect(page).toContain(toMermaid());
  });

  /** Steps as they may be asked for, most of them nonsense. */
  const asked = fc.tuple(fc.constantFrom(...JOB_STATUSES), fc.constantFrom(...JOB_EVENT_TYPES));
  /** Which of the steps that are legal somewhere is taken, by number: so that walks get far. */
  const walk = fc.array(fc.oneof(asked, fc.nat()), { minLength: 1, maxLength: 60 });

  it('keeps a job that has ended where it is, whatever is asked, until somebody retries it (I5)', () => {
    const ends = new Set<JobStatus>();
    let retried = 0;
    fc.assert(
      fc.property(walk, (steps) => {
        let at: JobStatus = 'queued';
        for (const wish of steps) {
          const from: JobStatus = at;
          const ways: readonly Edge[] = EDGES.filter((edge) => edge.from === from);
          const [to, event]: [JobStatus, JobEventType] =
            typeof wish !== 'number'
              ? wish
              : ways.length > 0
                ? [ways[wish % ways.length]!.to, ways[wish % ways.length]!.event]
                : [from, 'paused'];
          if (!isLegal(from, to, event)) continue;
          if (isTerminal(from)) expect([to, event]).toEqual(['queued', 'retried']);
          if (event === 'retried') retried += 1;
          at = to;
          if (isTerminal(at)) ends.add(at);
        }
      }),
      { numRuns: 300 },
    );
    // The walks went through every end and out of some.
    expect([...ends].sort()).toEqual(JOB_STATUSES.filter(isTerminal).sort());
    expect(retried).toBeGreaterThan(50);
  });

  it('allows, of all steps that there could be, its edges, what leaves a live state as it is, a submit and an arrival', () => {
    const legal = [null, ...JOB_STATUSES].flatMap((from) =>
      JOB_STATUSES.flatMap((to) => JOB_EVENT_TYPES.filter((event) => isLegal(from, to, event))),
    );
    const live = JOB_STATUSES.filter((status) => !isTerminal(status));
    expect(legal.length).toBe(EDGES.length + live.length * STILL_EVENTS.length + ARRIVALS.length + 1);
  });

  it('is left by an event for one state only, but where an expired lease asks whether a retry is left', () => {
    for (const { from, to, event } of EDGES) {
      const others = EDGES.filter((edge) => edge.from === from && edge.event === event && edge.to !== to);
      expect(others.length, `${from} by ${event}`).toBe(event === 'lease_expired' ? 1 : 0);
    }
  });
});
