/** A whole master with the guide's `tls_enabled: true`, as a client of undici and the guide's curl see it. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { Agent, request } from 'undici';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { useDatabase } from '../../../test/support/database.js';
import { loadSettings } from '../../config/load-settings.js';
import { type RunningMaster, startMaster } from '../start-master.js';

const KEY = 'a key for the tests of TLS';
const server = useDatabase();
let folder: string;
let master: RunningMaster;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tls-master-'));
  const configFile = join(folder, 'config.yaml');
  await writeFile(configFile, 'api:\n  port: 8080\n  tls_enabled: true\n');
  const settings = loadSettings({
    configFile,
    env: { DATABASE_DSN: server.dsn, MASTER_API_KEY: KEY },
    // Port 8080 may be taken on the machine of a test.
    overrides: { 'api.port': 0, 'metrics.port': 0, 'api.host': '127.0.0.1', 'database.data_dir': folder },
  });
  master = await startMaster(settings, pino({ level: 'silent' }));
});
afterAll(async () => {
  await master.stop();
  await rm(folder, { recursive: true });
});

it('answers the same health in TLS and in plain HTTP, and everything else in TLS alone', async () => {
  const ca = await readFile(join(folder, 'tls', 'self-signed', 'certificate.pem'), 'utf8');
  const dispatcher = new Agent({ connect: { ca } });
  const headers = { authorization: `Bearer ${KEY}` };
  const ask = async (path: string, origin = master.url) => {
    const { statusCode, body } = await request(origin + path, { dispatcher, headers });
    return [statusCode, await body.text()];
  };
  const plain = master.url.replace('https:', 'http:');
  expect(master.url).toMatch(/^https:/);
  expect(await ask('/health', plain)).toEqual(await ask('/health'));
  expect(await ask('/health', plain)).toEqual([200, expect.stringContaining('"healthy"')]);
  expect((await ask('/api/v1/jobs'))[0]).toBe(200);
  expect(await ask('/api/v1/jobs', plain)).toEqual([400, expect.stringMatching(/^This port speaks TLS/)]);
  await dispatcher.close();
});
