import 'reflect-metadata';
import { plainToInstance } from 'class-transformer';
import { validateSync } from 'class-validator';
import { describe, expect, it } from 'vitest';
import { JobParameters } from './job-parameters.js';

describe('JobParameters', () => {
  it('takes what the guides of ffmpeg-rtmp print', () => {
    const parameters = {
      duration: 30,
      bitrate: '10M',
      codec: 'h264',
      preset: 'fast',
      hwaccel: 'none',
      threads: 4,
      input: '/media/in.mkv',
      output: 'shows/out.mp4',
      output_mode: 'rtmp',
      rtmp_url: 'rtmp://live.example.org:1935/live',
      stream_key: 'abc-123',
      resolution: '1920x1080',
      fps: 29.97,
      resource_limits: { max_cpu_percent: 200, max_memory_mb: 2048, max_disk_mb: 500, timeout_sec: 3600 },
    };
    expect(wrongFields(parameters)).toEqual([]);
  });

  it.each([
    ['input', '-i'],
    ['input', 'a\u0000b'],
    ['input', 'a\nb'],
    ['input', ''],
    ['output', '-y'],
    ['output', 7],
    ['stream_key', '-f'],
    ['stream_key', 'a b'],
    ['rtmp_url', 'http://host/app'],
    ['rtmp_url', 'rtmp://host/app -f mp4'],
    ['rtmp_url', 'rtmp://user:pass@host/app'],
    ['codec', 'libx264 -vf x'],
    ['codec', 'constructor'],
    ['preset', 'medium:keyint=1'],
    ['bitrate', '10 M'],
    ['bitrate', '-1'],
    ['bitrate', '2000k;'],
    ['audio_bitrate', '0'],
    ['resolution', '1920:1080'],
    ['fps', '30'],
    ['fps', Number.NaN],
    ['threads', 0],
    ['duration', -1],
    ['hwaccel', 'vulkan'],
    ['engine', 'vlc'],
    ['filter', 'scale=1:1'],
    ['extra_args', ['-vf']],
    ['resource_limits', { max_memory_mb: 1 }],
    ['resource_limits', { cpu: 1 }],
    ['resource_limits', 'none'],
  ])('refuses %s = %j by name', (field, value) => {
    expect(wrongFields({ [field]: value })).toEqual([field]);
  });
});

function wrongFields(parameters: Record<string, unknown>): string[] {
  return validateSync(plainToInstance(JobParameters, parameters), {
    whitelist: true,
    forbidNonWhitelisted: true,
  }).map(({ property }) => property);
}
