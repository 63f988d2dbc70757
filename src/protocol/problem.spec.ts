import { describe, expect, it } from 'vitest';
import { conflict, invalid, unavailable } from './problem.js';

describe('a problem', () => {
  it('is a document of type, title, status and detail', () => {
    expect(conflict('The job is completed.', { current_status: 'completed' }).document()).toEqual({
      type: 'urn:ffmpeg-master:problem:conflict',
      title: 'Conflict',
      status: 409,
      detail: 'The job is completed.',
      current_status: 'completed',
    });
  });

  it('cannot be overwritten by its extras', () => {
    expect(conflict('No.', { status: 200, detail: 'Yes.' }).document()).toMatchObject({
      status: 409,
      detail: 'No.',
    });
  });

  it('names each refused field', () => {
    const errors = [{ path: 'jobs[3].parameters.bitrate', message: 'must be a number' }];
    expect(invalid('1 field is wrong.', errors).document().errors).toEqual(errors);
    expect(invalid('The body is not JSON.').document()).not.toHaveProperty('errors');
  });

  it('keeps its cause out of the document', () => {
    const problem = unavailable('The database is away.', 1, new Error('password=secret'));
    expect(problem.retryAfterSeconds).toBe(1);
    expect(JSON.stringify(problem.document())).not.toContain('secret');
  });
});
