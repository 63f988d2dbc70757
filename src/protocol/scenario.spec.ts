import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { effectiveParameters, scenarioParameters } from './scenario.js';

describe('scenarioParameters', () => {
  it.each([
    ['1080p-h264', { resolution: '1920x1080', codec: 'h264' }],
    ['4K60-hevc', { resolution: '3840x2160', fps: 60, codec: 'hevc' }],
    ['4K60-h264', { resolution: '3840x2160', fps: 60, codec: 'h264' }],
    ['720p30-h264', { resolution: '1280x720', fps: 30, codec: 'h264' }],
    ['480p-vp9', { resolution: '854x480', codec: 'vp9' }],
    ['2160p29.97-x265', { resolution: '3840x2160', fps: 29.97, codec: 'hevc' }],
    ['720p 25fps libx264', { resolution: '1280x720', fps: 25, codec: 'libx264' }],
  ])('reads %s', (scenario, expected) => {
    expect(scenarioParameters(scenario)).toEqual(expected);
  });

  it.each(['nightly', '', 'test', '99999p', '1p', 'constructor', '__proto__', '4K999'])(
    'takes %j for a mere label or ignores what is out of range',
    (scenario) => {
      const { fps, codec } = scenarioParameters(scenario);
      expect([fps, codec]).toEqual([undefined, undefined]);
    },
  );

  it('never throws, whatever old clients send', () => {
    fc.assert(
      fc.property(fc.string(), (scenario) => {
        scenarioParameters(scenario);
      }),
    );
  });
});

describe('effectiveParameters', () => {
  it('lets explicit parameters win', () => {
    expect(effectiveParameters('4K60-hevc', { codec: 'h264', fps: 24 })).toEqual({
      resolution: '3840x2160',
      fps: 24,
      codec: 'h264',
    });
  });

  it('knows a field and its alias as one', () => {
    expect(
      effectiveParameters('4K60-hevc', { frame_rate: 25, resolution_width: 640, resolution_height: 360 }),
    ).toEqual({
      frame_rate: 25,
      resolution_width: 640,
      resolution_height: 360,
      codec: 'hevc',
    });
  });

  it('is not overruled by fields that are present but undefined', () => {
    expect(effectiveParameters('720p30-h264', { codec: undefined }).codec).toBe('h264');
  });
});
