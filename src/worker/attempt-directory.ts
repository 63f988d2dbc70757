/**
 * The folder of one attempt, on the file system of the output directory so that publication is a rename:
 *
 *     <output_dir>/.attempts/<worker instance>/<job>-<token>/
 *         output.mp4      what ffmpeg writes
 *         pending.json    its report, saved before it is first sent
 *         accepted.json   a master accepted that report: the output may be published
 *
 * A worker that dies leaves the folder to its successor (leftover-attempts.ts), which reads from these
 * files what is still to be done: accepted: publish; pending: ask again; neither: delete.
 */

import { mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { AttemptReport } from '../protocol/report.js';
import { writeDurably } from './durable-file.js';
import { checkPlace, publishOutput } from './publish-output.js';

export interface PendingReport {
  /** The node that held the lease; a restarted worker may be another. */
  node_id: string;
  report: AttemptReport;
  /** The file within the folder, and the logical name it shall get. Absent for streams. */
  output?: { file: string; name: string };
}

export class AttemptDirectory {
  constructor(
    readonly path: string,
    private readonly outputDir: string,
  ) {}

  async create(): Promise<void> {
    await rm(this.path, { recursive: true, force: true });
    await mkdir(this.path, { recursive: true, mode: 0o700 });
  }

  file(name: string): string {
    return join(this.path, name);
  }

  /** Known before ffmpeg works for hours. @throws AttemptFailure (user_error) */
  async checkPlace(name: string): Promise<void> {
    await checkPlace(this.outputDir, name);
  }

  async savePending(pending: PendingReport): Promise<void> {
    await writeDurably(this.file('pending.json'), pending);
  }

  async readPending(): Promise<PendingReport | null> {
    try {
      return JSON.parse(await readFile(this.file('pending.json'), 'utf8')) as PendingReport;
    } catch {
      return null;
    }
  }

  async isAccepted(): Promise<boolean> {
    try {
      await readFile(this.file('accepted.json'));
      return true;
    } catch {
      return false;
    }
  }

  /** Notes the acceptance, puts the output in its place and removes the folder. May be repeated. */
  async publish(pending: PendingReport): Promise<void> {
    await writeDurably(this.file('accepted.json'), { job_id: pending.report.job_id });
    if (pending.output)
      await publishOutput(this.file(pending.output.file), this.outputDir, pending.output.name);
    await this.remove();
  }

  async remove(): Promise<void> {
    await rm(this.path, { recursive: true, force: true });
  }
}
