/**
 * Small programs of util-linux that set up ffmpeg's process before it starts, each by exec, so that the
 * process id stays ffmpeg's. `setpriv --pdeathsig` makes the kernel kill ffmpeg when the worker dies,
 * `kill -9` included: Node cannot ask for that itself. `prlimit --data` bounds its private memory.
 */

import { platform } from 'node:os';
import { findOnPath } from './find-program.js';
import { runProgram } from './run-program.js';

export interface LaunchTools {
  setpriv?: string;
  prlimit?: string;
}

/** Tried rather than looked up: busybox has a setpriv without --pdeathsig. */
export async function findLaunchTools(ffmpeg: string): Promise<LaunchTools> {
  if (platform() !== 'linux') return {};
  const [setpriv, prlimit] = await Promise.all([findOnPath('setpriv'), findOnPath('prlimit')]);
  const works = async (tool: string | undefined, args: string[]): Promise<boolean> =>
    tool !== undefined && (await runProgram(tool, [...args, ffmpeg, '-version'])).code === 0;
  const [kills, limits] = await Promise.all([
    works(setpriv, ['--pdeathsig', 'KILL']),
    works(prlimit, ['--data=1073741824']),
  ]);
  return { ...(kills && { setpriv }), ...(limits && { prlimit }) };
}

/** The program to start and its arguments, for `ffmpeg args` under these tools. */
export function launchCommand(
  tools: LaunchTools,
  ffmpeg: string,
  args: readonly string[],
  maxMemoryMb?: number,
): { file: string; args: string[] } {
  const command = [ffmpeg, ...args];
  if (maxMemoryMb !== undefined && tools.prlimit) {
    command.unshift(tools.prlimit, `--data=${maxMemoryMb * 1024 * 1024}`);
  }
  if (tools.setpriv) command.unshift(tools.setpriv, '--pdeathsig', 'KILL');
  const [file = ffmpeg, ...rest] = command;
  return { file, args: rest };
}
