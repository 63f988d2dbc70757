import type { WorkerOptions } from './worker-options.js';
import { Worker } from './worker.js';

/**
 * A worker as a process: runs until SIGTERM or SIGINT, hands unfinished jobs back and returns; a second
 * signal ends the process at once with status 1.
 */
export async function runWorker(options: WorkerOptions): Promise<void> {
  const worker = new Worker(options);
  let stop: () => void = () => undefined;
  const stopped = new Promise<void>((resolve) => (stop = resolve));
  let signals = 0;
  const onSignal = (): void => {
    if (++signals > 1) process.exit(1);
    stop();
  };
  process.on('SIGTERM', onSignal).on('SIGINT', onSignal);
  try {
    // A signal during the start counts: registration waits for a master for ever.
    await Promise.race([worker.start(), stopped]);
    await stopped;
  } finally {
    await worker.stop();
    process.off('SIGTERM', onSignal).off('SIGINT', onSignal);
  }
}
