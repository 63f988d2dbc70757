/** What this machine has, as the masters are told at registration and the command builder obeys. */

import { availableParallelism, arch, cpus, platform, totalmem } from 'node:os';
import type { NodeRegistration } from '../protocol/node-registration.js';
import { ENCODERS } from '../protocol/video-codecs.js';
import { provenEncoders } from './encoder-trials.js';
import { findFfmpeg, type FfmpegBinaries } from './ffmpeg-binaries.js';
import { findOnPath } from './find-program.js';
import { findLaunchTools, type LaunchTools } from './launch-tools.js';
import { runProgram } from './run-program.js';

export type Capabilities = Pick<
  NodeRegistration,
  | 'cpu_threads'
  | 'cpu_model'
  | 'ram_total_bytes'
  | 'gpus'
  | 'encoders'
  | 'engines'
  | 'ffmpeg_version'
  | 'labels'
>;

export interface Machine {
  binaries: FfmpegBinaries;
  tools: LaunchTools;
  capabilities: Capabilities;
}

export async function inspectMachine(options: { ffmpegPath?: string; workDir: string }): Promise<Machine> {
  const binaries = await findFfmpeg(options.ffmpegPath);
  const [version, encoders, nvidia, tools] = await Promise.all([
    ffmpegVersion(binaries.ffmpeg),
    provenEncoders(binaries.ffmpeg, options.workDir),
    nvidiaGpus(),
    findLaunchTools(binaries.ffmpeg),
  ]);
  return {
    binaries,
    tools,
    capabilities: {
      cpu_threads: availableParallelism(),
      cpu_model: (cpus()[0]?.model ?? 'unknown').slice(0, 255),
      ram_total_bytes: totalmem(),
      gpus: nvidia.length > 0 ? nvidia : otherGpu(encoders),
      encoders,
      engines: ['ffmpeg'],
      ffmpeg_version: version,
      labels: { os: platform(), arch: arch() },
    },
  };
}

async function ffmpegVersion(ffmpeg: string): Promise<string> {
  const { code, stdout, stderr } = await runProgram(ffmpeg, ['-version']);
  const version = /^ffmpeg version (\S+)/m.exec(stdout)?.[1];
  if (code !== 0 || version === undefined) {
    throw new Error(`${ffmpeg} does not run: ${stderr.trim().slice(-500) || 'it tells no version'}`);
  }
  return version.slice(0, 128);
}

async function nvidiaGpus(): Promise<Capabilities['gpus']> {
  const tool = await findOnPath('nvidia-smi');
  if (!tool) return [];
  const query = ['--query-gpu=name,memory.total', '--format=csv,noheader,nounits'];
  const { code, stdout } = await runProgram(tool, query, { timeoutMs: 5_000 });
  if (code !== 0) return [];
  return stdout
    .split('\n')
    .map((line) => line.split(','))
    .filter(([name]) => name?.trim())
    .map(([name = '', mebibytes]) => {
      const memory = Number(mebibytes);
      return { name: name.trim().slice(0, 128), ...(memory > 0 && { memory_bytes: memory * 1024 * 1024 }) };
    });
}

/** Other makers have no such tool; a device whose encoder worked is there. */
function otherGpu(encoders: string[]): Capabilities['gpus'] {
  const encoder = encoders.find((name) => ENCODERS[name]?.hardware);
  return encoder === undefined ? [] : [{ name: encoder.slice(encoder.indexOf('_') + 1) }];
}
