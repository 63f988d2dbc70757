import type { Logger } from 'pino';
import type { Registry } from 'prom-client';
import type { ClientTls } from '../config/client-tls.js';

/** What a worker is told at its start. Durations are milliseconds. */
export interface WorkerOptions {
  /** Base URLs of the masters, e.g. `http://127.0.0.1:8080`; tried in turn. */
  masters: readonly string[];
  /** Sent as a bearer token; a key that registration answers replaces it for everything else. */
  apiKey?: string;
  /** For masters at `https://`; default: the authorities that Node trusts, and no certificate. */
  tls?: ClientTls;
  /** Default: the host's name. */
  name?: string;
  /** How many jobs run at once; default: one for every four cores, at least one. */
  slots?: number;
  /** The queues it serves; default all. */
  queues?: readonly string[];
  /** Results appear here, and nowhere else. */
  outputDir: string;
  /** What may be lost at any time: the list of encoders that were seen to work. */
  workDir: string;
  /** Folders that jobs may read; none by default, so that no job can read the machine's files. */
  inputRoots?: readonly string[];
  /** Default: FFMPEG_PATH, then PATH, then the package @ffmpeg-installer/ffmpeg. */
  ffmpegPath?: string;
  /** Where jobs may send RTMP: `host`, `host:port` or an address; none by default. See rtmp-destinations.ts. */
  rtmpHosts?: readonly string[];
  labels?: Readonly<Record<string, string>>;
  /** How long ffmpeg goes on while no master can be reached; default 10 minutes. */
  outageGraceMs?: number;
  /** How long `stop` waits for the masters to take back what was running; default 10 s. */
  stopGraceMs?: number;
  /** How long a claim stays parked at a master, in seconds; default 30. */
  claimWaitSeconds?: number;
  logger: Logger;
  /** Serves the registry over HTTP; absent: metrics are kept but not served. */
  serveMetrics?: (registry: Registry) => Promise<{ close(): Promise<void> }>;
}
