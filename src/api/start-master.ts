/** A master from its settings to the first request it can answer, and back. */
import type { AddressInfo } from 'node:net';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { Milliseconds } from '../config/durations.js';
import type { Settings } from '../config/settings.js';
import { unusedSettings } from '../config/unused-settings.js';
import { DatabaseIndicator } from '../health/database.indicator.js';
import { Leadership } from '../leadership/leadership.js';
import { MasterIdentity } from '../leadership/master-identity.js';
import { createLogger, type Logger } from '../logging/logger.js';
import { Metrics } from '../metrics/metrics.js';
import { MetricsServer } from '../metrics/metrics-server.js';
import { Draining } from '../signals/draining.js';
import { closeGracefully } from './http/graceful-close.js';
import { createPipeline } from './http/http-pipeline.js';
import { MasterModule } from './master.module.js';
import { loadCertificate } from './tls/certificate.js';

export interface RunningMaster {
  /** Where its API answers, e.g. `http://127.0.0.1:8080`. */
  readonly url: string;
  readonly metricsUrl: string;
  readonly identity: MasterIdentity;
  /**
   * I12: no new claims, parked ones answered empty, requests in flight finish, leadership resigned. Ends
   * within 25 s, whatever is still open then.
   */
  stop(): Promise<void>;
}

/** Under the 30 s that Kubernetes and systemd wait before they kill. */
const GRACE: Milliseconds = 25_000;
/** What the rest of a stop may take once the requests are done: goodbyes to the database. */
const CLOSING: Milliseconds = 5_000;

/** Throws where the settings or a taken port make a start impossible; a database that is away does not. */
export async function startMaster(settings: Settings, logger?: Logger): Promise<RunningMaster> {
  const log = logger ?? createLogger(settings.logging);
  for (const key of unusedSettings(settings)) log.warn(`${key} is not used by this version`);
  const app = await createPipeline(MasterModule.with(settings, log), settings.api, {
    logger: log,
    certificate: await loadCertificate(settings, log.child({ component: 'tls' })),
    metrics: (app) => app.get(Metrics),
    draining: (app) => app.get(Draining),
  });
  const metrics = metricsServerOf(app, settings);
  try {
    const metricsPort = await metrics.start();
    await app.listen(settings.api.port, settings.api.host);
    const identity = app.get(MasterIdentity);
    const url = urlOf(app, settings);
    log.info({ url, version: identity.version }, 'this master is ready for requests');
    const metricsUrl = `http://${reachable(settings.api.host)}:${metricsPort}`;
    let stopping: Promise<void> | undefined;
    return { url, metricsUrl, identity, stop: () => (stopping ??= stop(app, metrics, log)) };
  } catch (error) {
    await Promise.allSettled([metrics.stop(), app.close()]);
    throw error;
  }
}

async function stop(app: NestFastifyApplication, metrics: MetricsServer, log: Logger): Promise<void> {
  log.info('this master is shutting down');
  app.get(Draining).begin();
  const resigned = app
    .get(Leadership)
    .resign()
    .catch((error: unknown) =>
      log.warn({ err: error }, 'leadership was not resigned; it ends with its session'),
    );
  const cut = await closeGracefully(app, GRACE - CLOSING);
  if (cut > 0) log.warn({ requests: cut }, 'requests were cut off: they took longer than the grace');
  const closed = resigned
    .then(() => app.close())
    .catch((error: unknown) => log.warn({ err: error }, 'closing failed'));
  let timer: NodeJS.Timeout | undefined;
  await Promise.race([closed, new Promise((resolve) => (timer = setTimeout(resolve, CLOSING)))]);
  clearTimeout(timer);
  // Last, so that a scrape can see the master go.
  await metrics.stop();
  log.info('this master is shut down');
}

function metricsServerOf(app: NestFastifyApplication, settings: Settings): MetricsServer {
  const database = app.get(DatabaseIndicator);
  return new MetricsServer({
    registry: app.get(Metrics).registry,
    port: settings.metrics.port,
    host: settings.api.host,
    health: async () => ({ status: 'healthy', database: (await database.check()).database.status }),
  });
}

/** The port is the real one where the settings say 0. */
function urlOf(app: NestFastifyApplication, { api }: Settings): string {
  const { port } = app.getHttpServer().address() as AddressInfo;
  return `${api.tls_enabled ? 'https' : 'http'}://${reachable(api.host)}:${port}`;
}

function reachable(host: string): string {
  if (host === '0.0.0.0' || host === '::') return '127.0.0.1';
  return host.includes(':') ? `[${host}]` : host;
}
