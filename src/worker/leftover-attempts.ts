/**
 * What a worker does at its start with the attempts of a dead one: publishes what was accepted, asks the
 * masters about what was reported without an answer, and deletes the rest, whose leases expire.
 */

import type { Logger } from 'pino';
import type { AttemptDirectory } from './attempt-directory.js';
import type { ReportBox } from './report-box.js';

export async function settleLeftovers(
  directories: readonly AttemptDirectory[],
  reports: ReportBox,
  logger: Logger,
): Promise<void> {
  await Promise.all(
    directories.map((directory) =>
      settle(directory, reports, logger).catch((error: unknown) =>
        logger.error(
          { directory: directory.path, reason: (error as Error).message },
          'leftover attempt not settled',
        ),
      ),
    ),
  );
}

async function settle(directory: AttemptDirectory, reports: ReportBox, logger: Logger): Promise<void> {
  const pending = await directory.readPending();
  if (pending === null) return directory.remove();
  const accepted =
    (await directory.isAccepted()) || (await reports.deliver(pending.node_id, pending.report)) !== 'stale';
  logger.info({ job_id: pending.report.job_id, accepted }, 'settled an attempt of a dead worker');
  if (accepted) await directory.publish(pending);
  else await directory.remove();
}
