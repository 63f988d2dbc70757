import { createServer } from 'node:net';

/** Nobody else listens on it: a lock that its holder cannot leave behind. */
const PORT = 19_996;

/** Two benchmarks at once would measure each other: refuses to run beside another. Holds until this process ends. */
export function beAlone(): Promise<void> {
  return new Promise((resolve, reject) => {
    const lock = createServer();
    lock.unref();
    lock.once('error', () => {
      reject(
        new Error(`Another benchmark runs on this machine (port ${PORT} is taken). Wait until it has ended.`),
      );
    });
    lock.listen(PORT, '127.0.0.1', resolve);
  });
}
