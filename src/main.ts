#!/usr/bin/env node
/** Picks a command, and loads no other. */
import { runCommandLine } from './commands/command-line.js';

process.exitCode = await runCommandLine(
  {
    up: {
      summary: 'a whole cluster on this machine: PostgreSQL, masters and workers',
      load: () => import('./commands/up.js'),
    },
    serve: { summary: 'one master', load: () => import('./commands/serve.js') },
    worker: { summary: 'the ffmpeg worker', load: () => import('./commands/worker.js') },
    migrate: {
      summary: 'bring the schema of the database up to date',
      load: () => import('./commands/migrate.js'),
    },
    jobs: { summary: 'submit, list, watch and change jobs', load: () => import('./commands/jobs.js') },
    nodes: { summary: 'list, drain and remove worker machines', load: () => import('./commands/nodes.js') },
    keys: { summary: 'make, list, rotate and revoke API keys', load: () => import('./commands/keys.js') },
    import: {
      summary: 'bring nodes and jobs over from a database of ffmpeg-rtmp',
      load: () => import('./commands/import.js'),
    },
    doctor: {
      summary: 'check everything a master needs, with the mend',
      load: () => import('./commands/doctor.js'),
    },
    verify: {
      summary: 'check the invariants on the live database',
      load: () => import('./commands/verify.js'),
    },
  },
  process.argv.slice(2),
);
