/** What `up` says once all is ready: where things are, and what to try next. */
import { defaultDirectory } from '../rest/local-cluster-note.js';
import { paint } from '../terminal/paint.js';
import { renderPairs } from '../terminal/table.js';
import type { ClusterPorts } from './ports.js';

export interface WelcomeFacts {
  readonly masters: readonly string[];
  readonly ports: ClusterPorts;
  readonly outputDir: string;
  readonly logDir: string;
  readonly dataDir: string;
  readonly key: string;
  /** Absent where MASTER_API_KEY was given, which is not shown again. */
  readonly keyFile: string | undefined;
}

export function welcome(facts: WelcomeFacts): string {
  const { masters, ports, outputDir, logDir, key, keyFile } = facts;
  const pairs = renderPairs([
    ['API', masters.join('  ')],
    ['Docs', `${masters[0]}/docs`],
    ['Metrics', [...ports.metrics, ...ports.workerMetrics].map((port) => `:${port}/metrics`).join('  ')],
    ['Outputs', outputDir],
    ['Logs', logDir],
    ['Key', keyFile === undefined ? 'the one in MASTER_API_KEY' : `${key}  (kept in ${keyFile})`],
  ]);
  return [
    '',
    pairs.replace(/^/gm, '  '),
    '',
    '  Next, in another terminal:',
    `    ${paint('bold', nextCommand(facts))}`,
    '',
    '  Ctrl-C stops everything.',
  ].join('\n');
}

/** With what the other terminal could not find out by itself. */
function nextCommand({ masters, dataDir, keyFile }: WelcomeFacts): string {
  const found = dataDir === defaultDirectory();
  const where = found ? '' : ` --master ${masters[0]}`;
  const key = found || keyFile === undefined ? '' : ` --key-file ${keyFile}`;
  return `npx ffmpeg-master jobs submit --scenario 720p-h264 --watch${where}${key}`;
}
