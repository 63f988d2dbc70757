import { describe, expect, it } from 'vitest';
import { JOB_STATUSES } from '../protocol/job-status.js';
import { toJob, type JobRow } from './job-row.js';

const ROW: JobRow = {
  id: '01890000-0000-7000-8000-000000000000',
  sequence_number: 7,
  tenant_id: 'default',
  scenario: '1080p-h264',
  parameters: {},
  queue: 'default',
  priority: 'medium',
  requirements: {},
  engine: 'auto',
  classification: null,
  confidence: null,
  tags: [],
  status: 'queued',
  paused: false,
  lane_id: 3,
  run_at: null,
  due_at: null,
  max_retries: 3,
  timeout_seconds: null,
  attempt: 0,
  retry_count: 0,
  node_id: null,
  node_name: null,
  lease_token: null,
  created_at: new Date('2026-01-01T00:00:00Z'),
  assigned_at: null,
  started_at: null,
  error: null,
  failure_reason: null,
  progress: null,
  result: null,
  completed_at: null,
};

const unblocked = () => null;
const later = new Date('2026-02-01T00:00:00Z');

describe('a job as it is answered', () => {
  it('keeps to itself what is not for clients', () => {
    const job = toJob(ROW, unblocked);
    for (const column of ['tenant_id', 'lane_id', 'lease_token', 'due_at', 'position'])
      expect(job).not.toHaveProperty(column);
    expect(job).toMatchObject({ created_at: '2026-01-01T00:00:00.000Z', progress: 0, result: null });
  });

  it('shows progress with one decimal, and 100 once completed', () => {
    expect(toJob({ ...ROW, status: 'running', progress: 33.333333 }, unblocked).progress).toBe(33.3);
    expect(toJob({ ...ROW, status: 'completed', progress: 12 }, unblocked).progress).toBe(100);
    expect(toJob({ ...ROW, status: 'failed', progress: 12 }, unblocked).progress).toBe(12);
  });

  it.each([
    ['its lane', {}, 'limit'],
    ['its time', { due_at: later }, 'run_at'],
    ['its backoff', { status: 'retrying', due_at: later }, 'run_at'],
    ['somebody to resume it, before all else', { paused: true, due_at: later }, 'paused'],
  ] as const)('says that it waits for %s', (_, change, waiting_for) => {
    expect(toJob({ ...ROW, ...change }, () => 'limit').waiting_for).toBe(waiting_for);
  });

  it('waits for nothing while it runs or once it has ended', () => {
    for (const status of JOB_STATUSES.filter((one) => !['queued', 'retrying', 'timed_out'].includes(one)))
      expect(toJob({ ...ROW, status, paused: true }, () => 'limit').waiting_for).toBeNull();
  });
});
