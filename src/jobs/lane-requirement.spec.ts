import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { laneRequirement, requirementHash } from './lane-requirement.js';

describe('laneRequirement', () => {
  it('asks for the encoder that the parameters imply', () => {
    expect(laneRequirement({}, { codec: 'hevc' }, 'auto')).toEqual({ encoders: ['libx265'] });
  });

  it('joins what the job requires with what its parameters imply', () => {
    expect(
      laneRequirement(
        { gpu: true, encoders: ['libx265'], labels: { zone: 'a' } },
        { codec: 'h264', threads: 8 },
        'ffmpeg',
      ),
    ).toEqual({
      gpus: 1,
      encoders: ['libx264', 'libx265'],
      labels: { zone: 'a' },
      threads: 8,
      engine: 'ffmpeg',
    });
  });

  it('gives one lane to one requirement, in whatever order it was written', () => {
    const labels = fc.dictionary(fc.stringMatching(/^[a-z]{1,6}$/), fc.stringMatching(/^[a-z0-9]{1,6}$/));
    fc.assert(
      fc.property(
        labels,
        fc.uniqueArray(fc.constantFrom('libx264', 'libx265', 'h264_nvenc')),
        (set, encoders) => {
          const written = laneRequirement({ labels: set, encoders }, {}, 'auto');
          const reversed = laneRequirement(
            { labels: Object.fromEntries(Object.entries(set).reverse()), encoders: [...encoders].reverse() },
            {},
            'auto',
          );
          expect(requirementHash(reversed)).toBe(requirementHash(written));
        },
      ),
    );
  });
});
