/**
 * One running ffmpeg: started without a shell in a process group of its own, so that a pause or a kill
 * reaches all of it; its progress and log read as they come.
 */

import { spawn, type ChildProcess } from 'node:child_process';
import { setPriority } from 'node:os';
import type { Readable } from 'node:stream';
import { ffmpegEnvironment } from './ffmpeg-environment.js';
import { ProgressParser, type FfmpegProgress } from './progress-parser.js';

export interface FfmpegExit {
  code: number | null;
  signal: NodeJS.Signals | null;
}

export interface FfmpegEvents {
  onProgress: (progress: FfmpegProgress) => void;
  onLog: (text: string) => void;
  onPaused: (paused: boolean) => void;
}

/** File descriptor 3 of the child: its first one after the standard three. */
export const PROGRESS_FD = 3;

/** ffmpeg closes its output on SIGTERM; nobody will use it, so it is not given long. */
const KILL_AFTER_MS = 2_000;

/** Below the worker and the masters beside it: encoding takes what the machine has left, heartbeats come first. */
const NICENESS = 5;

export class FfmpegProcess {
  readonly done: Promise<FfmpegExit>;
  private readonly child: ChildProcess;
  private running = true;
  private paused = false;
  private killTimer: NodeJS.Timeout | undefined;

  constructor(
    command: { file: string; args: readonly string[]; cwd: string },
    private readonly events: FfmpegEvents,
  ) {
    this.child = spawn(command.file, command.args, {
      cwd: command.cwd,
      detached: true,
      env: ffmpegEnvironment(),
      stdio: ['ignore', 'ignore', 'pipe', 'pipe'],
    });
    this.done = new Promise((resolve, reject) => {
      this.child.once('error', reject);
      // 'close' rather than 'exit': the last of its log is read by then.
      this.child.once('close', (code, signal) => resolve({ code, signal }));
    }).finally(() => {
      this.running = false;
      clearTimeout(this.killTimer);
    }) as Promise<FfmpegExit>;
    this.read();
    this.yieldCpu();
  }

  get pid(): number | undefined {
    return this.child.pid;
  }

  setPaused(paused: boolean): void {
    if (paused === this.paused) return;
    this.paused = paused;
    this.signalGroup(paused ? 'SIGSTOP' : 'SIGCONT');
    this.events.onPaused(paused);
  }

  /** Ends it within moments; `done` tells when. */
  kill(): void {
    if (!this.running || this.killTimer) return;
    this.killTimer = setTimeout(() => this.signalGroup('SIGKILL'), KILL_AFTER_MS);
    this.signalGroup('SIGTERM');
    // A stopped process hears SIGTERM only once it goes on.
    if (this.paused) this.signalGroup('SIGCONT');
  }

  private read(): void {
    const { onProgress, onLog } = this.events;
    const parser = new ProgressParser();
    const progress = this.child.stdio[PROGRESS_FD] as Readable;
    progress
      .setEncoding('utf8')
      .on('data', (piece: string) => parser.push(piece).forEach((block) => onProgress(block)));
    this.child.stderr?.setEncoding('utf8').on('data', onLog);
  }

  private yieldCpu(): void {
    try {
      if (this.child.pid !== undefined) setPriority(this.child.pid, NICENESS);
    } catch {
      // Already gone, or the system has no such notion: it runs at the ordinary priority.
    }
  }

  private signalGroup(signal: NodeJS.Signals): void {
    if (!this.running || this.child.pid === undefined) return;
    try {
      process.kill(-this.child.pid, signal);
    } catch {
      // It ended between the check and the signal.
    }
  }
}
