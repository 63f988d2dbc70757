/** `jobs …`: what a client does with jobs. Each subcommand is a file of the folder `jobs`. */
import type { Command } from 'commander';
import { defineJobChanges } from './jobs/change-jobs.js';
import { defineJobsList } from './jobs/list-jobs.js';
import { defineJobLogs } from './jobs/job-logs.js';
import { defineJobShow } from './jobs/show-job.js';
import { defineJobSubmit } from './jobs/submit-jobs.js';
import { defineJobsWatch } from './jobs/watch-command.js';

export function define(command: Command): void {
  command.addHelpText(
    'after',
    '\nA job is named by its id or by its number, as `jobs list` shows it.\n' +
      '\nExample: ffmpeg-master jobs submit --scenario 720p-h264 --watch',
  );
  defineJobSubmit(command.command('submit'));
  defineJobsList(command.command('list'));
  defineJobShow(command.command('show'));
  defineJobsWatch(command.command('watch'));
  defineJobLogs(command.command('logs'));
  defineJobChanges(command);
}
