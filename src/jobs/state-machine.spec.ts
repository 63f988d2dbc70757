import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { isTerminal, JOB_STATUSES } from '../protocol/job-status.js';
import { EDGES, isLegal, toMermaid } from './state-machine.js';

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
});
