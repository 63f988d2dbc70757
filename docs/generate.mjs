// Writes the generated parts of the docs from the built program: `npm run docs`.
import { writeFileSync } from 'node:fs';
import { EDGES, toMermaid } from '../dist/jobs/state-machine.js';

const rows = EDGES.map(({ from, to, event, when }) => `| ${from} | ${to} | \`${event}\` | ${when} |`);

writeFileSync(
  new URL('state-machine.md', import.meta.url),
  `# The states of a job

Generated from \`src/jobs/state-machine.ts\` by \`npm run docs\`; a spec fails when the two differ.

\`\`\`mermaid
${toMermaid()}
\`\`\`

| from | to | event | when |
|---|---|---|---|
${rows.join('\n')}

\`imported\` is the first event of a job that \`ffmpeg-master import\` brought, in the state in which it arrived.

Pause is no state: it lies over any live one, and is recorded by the events \`paused\` and \`resumed\`, which
leave the state as it is. So does \`promoted\` for a job whose \`run_at\` has come. \`timed_out\` is passed
through within one statement: its time-out, and the retry or the end that follows, are two events.
`,
);
