import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ProgressParser, percentDone } from './progress-parser.js';

const RUN = `frame=0
fps=0.00
stream_0_0_q=0.0
bitrate=N/A
total_size=N/A
out_time_us=N/A
out_time=N/A
speed=N/A
progress=continue
frame=61
fps=30.50
bitrate= 482.6kbits/s
total_size=262192
out_time_us=62500000
out_time_ms=62500000
out_time=00:01:02.500000
dup_frames=0
speed=2.04x
progress=continue
frame=300
fps=29.1
total_size=1048576
out_time=01:00:10.000000
speed=1e+03x
progress=end
`;

const READ = [
  { frame: 0, seconds: 0, totalBytes: 0, ended: false },
  { frame: 61, fps: 30.5, speed: 2.04, seconds: 62.5, totalBytes: 262192, ended: false },
  { frame: 300, fps: 29.1, speed: 1000, seconds: 3610, totalBytes: 1048576, ended: true },
];

describe('ProgressParser', () => {
  it('reads blocks, and nothing from what ffmpeg does not know yet', () => {
    expect(new ProgressParser().push(RUN)).toEqual(READ);
  });

  it('reads the same wherever the pieces break', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(RUN.length)), (cuts) => {
        const parser = new ProgressParser();
        const at = [0, ...cuts.sort((a, b) => a - b), RUN.length];
        const pieces = at.slice(1).map((end, index) => RUN.slice(at[index], end));
        expect(pieces.flatMap((piece) => parser.push(piece))).toEqual(READ);
      }),
    );
  });

  it('takes a clock before zero for zero', () => {
    expect(new ProgressParser().push('out_time=-00:00:00.023000\nprogress=continue\n')[0]?.seconds).toBe(0);
  });
});

describe('percentDone', () => {
  const at = (seconds: number, ended = false) => ({ frame: 1, seconds, totalBytes: 1, ended });

  it('goes up to 99 until ffmpeg has ended', () => {
    expect([at(0), at(2.5), at(10), at(11), at(9, true)].map((each) => percentDone(each, 10))).toEqual([
      0, 25, 99, 99, 100,
    ]);
  });

  it('says nothing where the length is unknown', () => {
    expect(percentDone(at(5), undefined)).toBeUndefined();
  });
});
