import { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import type { Job } from '../../protocol/job.js';
import { progressBoard } from './progress-board.js';

// eslint-disable-next-line no-control-regex
const STYLES = /\u001b\[[0-9;?]*[A-Za-z]/g;

function job(fields: Partial<Job>): Job {
  return { id: '1', status: 'running', progress: 0, paused: false, waiting_for: null, ...fields } as Job;
}

function board(jobs: number, terminal?: { columns: number; rows: number }) {
  const stream = new PassThrough();
  const drawn: string[] = [];
  stream.on('data', (chunk: Buffer) => drawn.push(chunk.toString()));
  const written = Object.assign(stream, terminal && { isTTY: true, ...terminal });
  Object.assign(written, { cursorTo: () => true, clearLine: () => true, moveCursor: () => true });
  const made = progressBoard({
    jobs,
    label: ({ id }) => `clip ${id}`,
    stream: written as unknown as NodeJS.WriteStream,
  });
  return { made, text: () => drawn.join('') };
}

describe('without a terminal', () => {
  it('writes a line a change of state and a quarter of the way', () => {
    const { made, text } = board(1);
    made.show(job({ status: 'queued', waiting_for: 'limit' }));
    for (const progress of [0, 10, 30, 40, 80]) made.show(job({ progress }));
    made.show(job({ status: 'completed', progress: 100 }));
    made.stop();
    expect(text().split('\n')).toEqual([
      'clip 1  waits: limit',
      'clip 1  running',
      'clip 1  running 25%',
      'clip 1  running 75%',
      'clip 1  completed',
      '',
    ]);
  });
});

describe('on a terminal', () => {
  it('draws a bar a job, within 80 columns', () => {
    const { made, text } = board(2, { columns: 80, rows: 24 });
    made.show(job({ progress: 42.9 }));
    made.show(job({ id: '2', status: 'completed' }));
    made.stop();
    expect(text()).toContain('42% running');
    expect(text()).toContain('100% completed');
    const lines = text()
      .replace(STYLES, '')
      .split(/\r?\n|\r/);
    expect(Math.max(...lines.map((line) => line.trimEnd().length))).toBeLessThanOrEqual(80);
  });

  it('draws all of a line on a narrow one too, and what was canceled as far as it came', () => {
    const { made, text } = board(2, { columns: 60, rows: 24 });
    made.show(job({ status: 'queued', waiting_for: 'requirement' }));
    made.show(job({ id: '2', status: 'canceled', progress: 15 }));
    made.stop();
    expect(text()).toContain('  0% waits: requirement');
    expect(text()).toContain(' 15% canceled');
    const lines = text()
      .replace(STYLES, '')
      .split(/\r?\n|\r/);
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(60);
  });

  it('draws one bar for more jobs than it is high', () => {
    const { made, text } = board(60, { columns: 80, rows: 24 });
    for (let id = 1; id <= 60; id += 1)
      made.show(job({ id: String(id), status: id === 60 ? 'failed' : 'completed' }));
    made.stop();
    expect(text()).toContain('60 of 60 done, 1 failed');
  });
});
