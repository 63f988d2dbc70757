import { describe, expect, it } from 'vitest';
import { impliedRequirements } from './implied-requirements.js';

describe('impliedRequirements', () => {
  it.each([
    [{}, ['libx264'], false],
    [{ codec: 'h264' }, ['libx264'], false],
    [{ codec: 'h265' }, ['libx265'], false],
    [{ codec: 'hevc' }, ['libx265'], false],
    [{ codec: 'vp9' }, ['libvpx-vp9'], false],
    [{ output: 'x.webm' }, ['libvpx-vp9'], false],
    [{ codec: 'libaom-av1' }, ['libaom-av1'], false],
    [{ codec: 'av1' }, [], false],
    [{ codec: 'h264_nvenc' }, ['h264_nvenc'], true],
    [{ codec: 'h264', hwaccel: 'cuda' as const }, ['h264_nvenc'], true],
    [{ codec: 'hevc', hwaccel: 'vaapi' as const }, ['hevc_vaapi'], true],
    [{ codec: 'libx265', hwaccel: 'qsv' as const }, ['hevc_qsv'], true],
    [{ codec: 'h264', hwaccel: 'auto' as const }, ['libx264'], false],
    [{ codec: 'vp9', hwaccel: 'nvenc' as const }, [], true],
  ])('%j needs %j, gpu %j', (parameters, encoders, gpu) => {
    expect(impliedRequirements(parameters)).toEqual({ encoders, gpu });
  });
});
