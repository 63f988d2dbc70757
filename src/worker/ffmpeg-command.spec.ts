import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { JobParameters } from '../protocol/job-parameters.js';
import { ffmpegCommand, type CommandPlan } from './ffmpeg-command.js';
import { parseOutputName } from './output-name.js';

describe('ffmpegCommand', () => {
  it('transcodes a file: pinned demuxer and protocols, checked filter, named muxer', () => {
    const args = ffmpegCommand(
      plan({
        parameters: {
          resolution: '1920x1080',
          fps: 60,
          preset: 'fast',
          bitrate: '10M',
          duration: 30,
          threads: 3,
        },
        input: { path: '/media/-odd name.mkv', demuxer: 'matroska' },
      }),
    );
    expect(args.join(' ')).toBe(
      '-nostdin -hide_banner -loglevel info -y -nostats -progress pipe:3 ' +
        '-protocol_whitelist file,pipe -format_whitelist ' +
        'mov,matroska,avi,mpegts,mpeg,mpegvideo,flv,ogg,asf,mxf,nut,ivf,dv,wav,w64,aiff,mp3,aac,ac3,eac3,flac,gif,h264,hevc,m4v,yuv4mpegpipe,rm,webm ' +
        '-f matroska -i file:/media/-odd name.mkv -map 0:V:0 -map 0:a:0? -t 30 ' +
        '-vf scale=1920:1080:force_original_aspect_ratio=decrease,pad=1920:1080:(ow-iw)/2:(oh-ih)/2,setsar=1 -r 60 ' +
        '-c:v libx264 -pix_fmt yuv420p -b:v 10M -maxrate 10M -bufsize 20M -preset fast -threads 3 ' +
        '-c:a aac -sn -dn -max_muxing_queue_size 4096 -movflags +faststart -strict experimental -f mp4 file:/out/x.mp4',
    );
  });

  it('generates a clip where there is no input', () => {
    const args = ffmpegCommand(plan({ parameters: { duration_seconds: 2, frame_rate: 25 } })).join(' ');
    expect(args).toContain('-i testsrc2=size=1280x720:rate=25:duration=2 ');
    expect(args).toContain('-i sine=frequency=440:sample_rate=48000:duration=2 ');
  });

  it('sends RTMP at the pace of its viewers, by no other protocol', () => {
    const output = {
      kind: 'rtmp',
      url: 'rtmp://10.0.0.1:1935/live/k',
      tcUrl: 'rtmp://host:1935/live',
    } as const;
    const args = ffmpegCommand(plan({ output, parameters: { fps: 25 } })).join(' ');
    expect(args).toContain('-re -f lavfi');
    expect(args).toContain('-g 50');
    expect(args).toMatch(
      /-protocol_whitelist rtmp,tcp -rtmp_tcurl rtmp:\/\/host:1935\/live -f flv rtmp:\/\/10\.0\.0\.1:1935\/live\/k$/,
    );
  });

  it.each<[JobParameters, string, string]>([
    [{ crf: 20 }, 'libx264', '-crf 20 -threads'],
    [{ crf: 30 }, 'libvpx-vp9', '-crf 30 -b:v 0'],
    [{ preset: 'ultrafast' }, 'libvpx-vp9', '-deadline good -cpu-used 5'],
    [{ preset: 'veryslow' }, 'libsvtav1', '-preset 2'],
    [{ preset: 'p4' }, 'h264_nvenc', '-preset p4'],
    [{ audio_codec: 'none' }, 'libx264', '-an'],
    [{ audio_codec: 'opus', audio_bitrate: '96k' }, 'libx264', '-c:a libopus -b:a 96k'],
    [{ resource_limits: { max_disk_mb: 5 } }, 'libx264', '-fs 5242880'],
    [{}, 'h264_vaapi', 'scale=trunc(iw/2)*2:trunc(ih/2)*2,format=nv12,hwupload -c:v h264_vaapi -threads'],
  ])('says %j to %s as %s', (parameters, encoder, expected) => {
    expect(ffmpegCommand(plan({ parameters, encoder })).join(' ')).toContain(expected);
  });

  it.each<[JobParameters, string, RegExp]>([
    [{ preset: 'p4' }, 'libx264', /parameters\.preset/],
    [{ preset: 'medium' }, 'h264_vaapi', /parameters\.preset/],
    [{ crf: 52 }, 'libx264', /parameters\.crf/],
    [{ crf: 20 }, 'h264_vaapi', /parameters\.crf/],
    [{ crf: 20, bitrate: '1M' }, 'libx264', /parameters\.crf/],
    [{ resolution: '1921x1080' }, 'libx264', /parameters\.resolution/],
    [{ resolution: '99999x10' }, 'libx264', /parameters\.resolution/],
    [{ resolution_width: 640 }, 'libx264', /parameters\.resolution_height/],
  ])('refuses %j for %s by name', (parameters, encoder, words) => {
    const command = (): string[] =>
      ffmpegCommand(plan({ parameters, encoder, input: { path: '/x', demuxer: 'mov' } }));
    expect(command).toThrow(words);
  });

  it('puts text of the job into paths only: nothing else can become an option', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1 }), (name) => {
        const args = ffmpegCommand(
          plan({ input: { path: `/media/${name}`, demuxer: 'mov' }, parameters: {} }),
        );
        expect(args.filter((arg) => arg.includes(`/media/${name}`))).toEqual([`file:/media/${name}`]);
      }),
    );
  });
});

function plan(changes: Partial<CommandPlan>): CommandPlan {
  return {
    parameters: {},
    encoder: 'libx264',
    input: null,
    output: { kind: 'file', path: '/out/x.mp4', container: parseOutputName('x.mp4').container },
    defaultThreads: 2,
    progressFd: 3,
    ...changes,
  };
}
