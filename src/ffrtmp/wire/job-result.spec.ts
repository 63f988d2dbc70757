import { describe, expect, it } from 'vitest';
import { readJobResult } from './job-result.js';

const read = (body: unknown) => readJobResult(JSON.stringify(body));

describe('a result as the agent sends it', () => {
  it('completed: keeps figures, scores and the log', () => {
    const sent = {
      job_id: 'j',
      node_id: 'n',
      status: 'completed',
      progress: 100,
      metrics: { duration: 1.5, encoding_fps: '60' },
      analyzer_output: { status: 'ok' },
      qoe_score: 0.9,
      logs: 'line\0line',
      completed_at: '2026-01-07T00:00:00Z',
    };
    expect(read(sent)).toEqual({
      job_id: 'j',
      node_id: 'n',
      logs: 'line\ufffdline',
      report: {
        status: 'completed',
        result: {
          metrics: { duration: 1.5, encoding_fps: '60', analyzer_output: { status: 'ok' }, qoe_score: 0.9 },
        },
      },
    });
  });

  it('failed: keeps the end of a long error, and a reason that may be retried', () => {
    const { report } = read({
      job_id: 'j',
      node_id: 'n',
      status: 'failed',
      error: `${'x'.repeat(9000)}the end`,
    });
    expect(report).toMatchObject({ status: 'failed', failure_reason: 'runtime_error' });
    expect(report.error).toHaveLength(8192);
    expect(report.error?.endsWith('the end')).toBe(true);
  });

  it.each([[undefined], ['banana'], [''], ['processing']])('refuses the status %s', (status) => {
    expect(() => read({ job_id: 'j', node_id: 'n', status })).toThrow('Invalid request body');
  });
});
