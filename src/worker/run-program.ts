import { execFile } from 'node:child_process';
import { ffmpegEnvironment } from './ffmpeg-environment.js';

export interface ProgramOutcome {
  /** Null where it was killed or could not be started. */
  code: number | null;
  stdout: string;
  stderr: string;
}

const MAX_OUTPUT_BYTES = 8 * 1024 * 1024;

/** Runs a short program (a probe, a trial) to its end, without a shell. Never rejects but on abort. */
export function runProgram(
  file: string,
  args: readonly string[],
  { timeoutMs = 30_000, signal }: { timeoutMs?: number; signal?: AbortSignal } = {},
): Promise<ProgramOutcome> {
  return new Promise((resolve, reject) => {
    execFile(
      file,
      args,
      {
        timeout: timeoutMs,
        killSignal: 'SIGKILL',
        maxBuffer: MAX_OUTPUT_BYTES,
        env: ffmpegEnvironment(),
        ...(signal && { signal }),
      },
      (error, stdout, stderr) => {
        if (signal?.aborted) reject(signal.reason as Error);
        else if (!error) resolve({ code: 0, stdout, stderr });
        else
          resolve({
            code: typeof error.code === 'number' ? error.code : null,
            stdout,
            stderr: stderr || error.message,
          });
      },
    );
  });
}
