import { describe, expect, it } from 'vitest';
import { eventFilter } from './event-filter.js';

const NODE = '01998877-0000-7000-8000-00000000000a';
// 2025-09-01T00:00:00.000Z is 0x01990280d000.
const event = {
  tenant_id: 'default',
  to_status: 'running' as const,
  queue: 'live',
  node_id: NODE,
  tags: ['a', 'b'],
  job_id: `01990281-0000-7000-8000-000000000001`,
};
const created = new Date(0x019902810000).toISOString();
const later = new Date(0x019902810001).toISOString();

describe('the filter of a stream', () => {
  it.each([
    [{}, true],
    [{ status: ['running' as const, 'failed' as const] }, true],
    [{ status: ['failed' as const] }, false],
    [{ queue: 'live' }, true],
    [{ queue: 'default' }, false],
    [{ node: NODE.toUpperCase() }, true],
    [{ node: event.job_id }, false],
    [{ tag: 'b' }, true],
    [{ tag: 'c' }, false],
    [{ job: event.job_id }, true],
    [{ job: NODE }, false],
    [{ created_after: created }, true],
    [{ created_after: later }, false],
    [{ created_before: later }, true],
    [{ created_before: created }, false],
    [{ queue: 'live', tag: 'c' }, false],
  ])('%j lets the event through: %s', (query, through) => {
    expect(eventFilter('default', query)(event)).toBe(through);
  });

  it('lets no other tenant see anything', () => {
    expect(eventFilter('other', {})(event)).toBe(false);
  });
});
