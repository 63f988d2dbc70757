import { describe, expect, it } from 'vitest';
import { ffmpegFailure } from './ffmpeg-failure.js';

describe('ffmpegFailure', () => {
  it.each([
    ['av_interleaved_write_frame(): No space left on device', 'resource_error'],
    ['Error writing trailer: Disk quota exceeded', 'resource_error'],
    ['x264 [error]: malloc of 3110400 failed', 'resource_error'],
    ['[matroska @ 0x1] Cannot allocate memory', 'resource_error'],
    ['file:/in/a.mp4: Invalid data found when processing input', 'input_error'],
    ['[mov] moov atom not found', 'input_error'],
    ['pthread_create failed: Resource temporarily unavailable.', 'resource_error'],
    ['[libx264 @ 0x1] Error setting option profile', 'user_error'],
    ['Segmentation fault', 'runtime_error'],
    ['', 'runtime_error'],
  ])('reads %j as %s', (line, reason) => {
    expect(
      ffmpegFailure({ code: 1, signal: null, lastLines: ['Stream mapping:', line], toRtmp: false }).reason,
    ).toBe(reason);
  });

  it('reads a broken connection of a stream as a network error', () => {
    const lastLines = ['rtmp://10.0.0.1/live: Connection refused'];
    expect(ffmpegFailure({ code: 1, signal: null, lastLines, toRtmp: true }).reason).toBe('network_error');
  });

  it('takes an unexpected SIGKILL for the kernel saving its memory', () => {
    const { reason, message } = ffmpegFailure({
      code: null,
      signal: 'SIGKILL',
      lastLines: [],
      toRtmp: false,
      maxMemoryMb: 64,
    });
    expect([reason, message]).toEqual(['resource_error', expect.stringContaining('max_memory_mb is 64')]);
  });

  it('quotes what complains rather than what is printed last', () => {
    const lastLines = ['[x] Error opening filters!', 'video:0kB audio:0kB', 'Conversion done'];
    expect(ffmpegFailure({ code: 1, signal: null, lastLines, toRtmp: false }).message).toBe(
      '[x] Error opening filters!',
    );
  });
});
