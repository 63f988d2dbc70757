import { describe, expect, it } from 'vitest';
import type { Job } from '../../protocol/job.js';
import { JOB_STATUSES } from '../../protocol/job-status.js';
import { toOldJob } from './old-job.js';

const JOB: Job = {
  id: '3ac50000-0000-7000-8000-000000000001',
  sequence_number: 7,
  scenario: '',
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
  waiting_for: null,
  progress: 0,
  node_id: null,
  node_name: null,
  attempt: 0,
  max_retries: 3,
  retry_count: 0,
  timeout_seconds: null,
  run_at: null,
  created_at: '2026-01-07T00:00:00.000001Z',
  assigned_at: null,
  started_at: null,
  completed_at: null,
  error: null,
  failure_reason: null,
  result: null,
};

describe('a job on the old routes', () => {
  it('has what is always there, and leaves out what is empty', () => {
    expect(toOldJob(JOB)).toEqual({
      id: JOB.id,
      sequence_number: 7,
      scenario: '',
      confidence: 'auto',
      engine: 'auto',
      status: 'pending',
      queue: 'default',
      priority: 'medium',
      created_at: JOB.created_at,
      retry_count: 0,
      max_retries: 3,
    });
  });

  it('has numbers that Go reads as integers, and a name beside each node', () => {
    const node = { node_id: '01990000-0000-7000-8000-000000000001', node_name: 'encoder-7' };
    const assigned_at = '2026-01-07T00:00:01Z';
    expect(toOldJob({ ...JOB, ...node, status: 'assigned', assigned_at, progress: 42.9 })).toMatchObject({
      ...node,
      status: 'processing',
      progress: 42,
      started_at: assigned_at,
    });
  });

  it.each([
    ['queued', 'pending'],
    ['assigned', 'processing'],
    ['running', 'processing'],
    ['retrying', 'pending'],
    ['timed_out', 'processing'],
    ['completed', 'completed'],
    ['failed', 'failed'],
    ['canceled', 'canceled'],
    ['rejected', 'failed'],
  ] as const)('%s is %s', (status, expected) => {
    expect(toOldJob({ ...JOB, status })).toMatchObject({ status: expected });
    expect(JOB_STATUSES).toContain(status);
  });

  it('is paused whatever it waits for', () => {
    for (const status of ['queued', 'running'] as const)
      expect(toOldJob({ ...JOB, status, paused: true })).toMatchObject({ status: 'paused' });
  });

  it('tells its transitions, and pauses are none', () => {
    const event = { job_id: JOB.id, attempt: 1, lease_token: null, data: {}, at: JOB.created_at };
    const events = [
      { ...event, n: 1, type: 'submitted', from_status: null, to_status: 'queued' as const, node_id: null },
      {
        ...event,
        n: 2,
        type: 'paused',
        from_status: 'queued' as const,
        to_status: 'queued' as const,
        node_id: null,
      },
      {
        ...event,
        n: 3,
        type: 'assigned',
        from_status: 'queued' as const,
        to_status: 'assigned' as const,
        node_id: 'x',
      },
    ];
    expect(toOldJob(JOB, { events, logs: 'frame=1' })).toMatchObject({
      logs: 'frame=1',
      state_transitions: [
        { from: 'pending', to: 'assigned', timestamp: JOB.created_at, reason: 'Assigned to node x' },
      ],
    });
  });
});
