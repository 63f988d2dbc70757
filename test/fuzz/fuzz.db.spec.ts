/**
 * Bad input, on a whole master over real sockets: requests made from its own OpenAPI document, each with one thing
 * broken. Never a 500, never a hung request, never a changed row. `FUZZ_SEED=…` repeats a run, `FAULTS=full` sends five
 * times as many.
 *
 * First what is invalid by construction: all of it is refused, and no row differs at the end. Then what may be valid by
 * chance, and is: whatever was refused of that is sent once more, and must change nothing while nothing else is sent.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isOldPath } from '../../src/ffrtmp/wire/old-routes.js';
import { startMaster, type RunningMaster } from '../../src/api/start-master.js';
import { verifyDatabase } from '../../src/commands/verify/verify-database.js';
import { Settings } from '../../src/config/settings.js';
import { effort } from '../faults/selection.js';
import { useDatabase } from '../support/database.js';
import { Judge } from './answers.js';
import { changed, Digests } from './digest.js';
import { replayOf, type FuzzRequest } from './fuzz-request.js';
import { operationsOf, type OpenApiDocument, type Operation } from './operations.js';
import { NoAnswer } from './raw-http.js';
import { requestsFor, type Stage } from './request-makers.js';
import { routesMadeBy } from './route-table.js';
import { apiOf, registration, setTargetsUp, type Api } from './targets.js';
import { Waves, type Answered } from './waves.js';

const KEY = 'a key that no answer may show, 5Qd8';
const TIMES = effort() === 'full' ? 5 : 1;
/** Requests an operation; those that take a body can be broken in more ways. */
const WITHOUT_BODY = 280 * TIMES;
const WITH_BODY = 490 * TIMES;
/** Requests of unknown validity between two looks at the database. */
const WAVE = 150;
const TIMEOUT = 300_000 * TIMES;

const seed = Number(process.env.FUZZ_SEED ?? Date.now() % 1_000_000);

const db = useDatabase();
let master: RunningMaster | undefined;
let routes: string[];
let api: Api;
let operations: Operation[];
let stage: Stage;
let waves: Waves | undefined;
let judge: Judge;
let digests: Digests;
let made: Map<string, FuzzRequest[]>;
let sent = 0;
let heapBefore = 0;
/** What the master logged of its own faults. */
const errors: string[] = [];

beforeAll(async () => {
  const begun = await routesMadeBy(start);
  master = begun.started;
  // Those of ffmpeg-rtmp are in no document.
  routes = begun.routes.filter((name) => !isOldPath(name.slice(name.indexOf(' ') + 1)));
  api = apiOf(master.url, KEY);
  const { host, port } = new URL(master.url);
  operations = operationsOf((await api('GET', '/api/v1/openapi.json')).body as OpenApiDocument);
  const targets = await setTargetsUp(api);
  // Its lane is there before requests of all kinds take the tenant's thousand.
  await api('POST', '/api/v1/jobs', { scenario: '720p-h264' });
  stage = { key: KEY, host, targets, methods: methodsByPath(routes) };
  waves = new Waves(Number(port));
  const password = decodeURIComponent(new URL(db.dsn).password);
  const byName = new Map(operations.map((operation) => [operation.name, operation]));
  judge = new Judge(byName, [KEY, db.dsn, ...(password.length > 7 ? [password] : [])]);
  digests = new Digests(db.pool);
  heapBefore = heapInUse();
  made = new Map(operations.map((operation, index) => [operation.name, sample(operation, index)]));
}, TIMEOUT);

afterAll(async () => {
  waves?.close();
  await master?.stop();
});

describe('bad input', () => {
  it('is made for every route of the document, and the document has every route of the router', () => {
    const described = operations.map(({ name }) => name).sort();
    expect(described).toEqual(routes);
    expect([...made.keys()].sort()).toEqual(routes);
    for (const [name, requests] of made) expect(requests.length, name).toBeGreaterThanOrEqual(WITHOUT_BODY);
    expect([...made.values()].flat().length).toBeGreaterThan(10_000 * TIMES);
  });

  it(
    'that is invalid by construction is refused, at once and in words, and changes no row',
    async () => {
      const faults: string[] = [];
      for (const [operation, requests] of made) {
        const invalid = requests.filter(({ expect }) => expect !== 'any');
        const before = await digests.take();
        const answered = await send(invalid);
        faults.push(...faultsOf(answered));
        const after = changed(before, await digests.take());
        expect.soft(after, `${operation} (seed ${seed}): rows changed`).toEqual([]);
      }
      tell(faults);
    },
    TIMEOUT,
  );

  it(
    'that may be valid by chance is never answered 5xx, and where it is refused it changes no row',
    async () => {
      const faults: string[] = [];
      const all = shuffled([...made.values()].flat().filter(({ expect }) => expect === 'any'));
      let looks = 0;
      let checked = 0;
      for (let from = 0; from < all.length; from += WAVE) {
        const first = await send(all.slice(from, from + WAVE));
        faults.push(...faultsOf(first));
        const refused = await untilAllRefused(first, faults);
        looks += 1;
        if (refused === undefined) continue;
        const before = await digests.take();
        const again = await send(refused);
        if (!again.every(isRefused)) continue;
        checked += 1;
        const tables = changed(before, await digests.take());
        const kinds = refused.map(({ operation, kind }) => `${operation}: ${kind}`).join('\n');
        expect.soft(tables, `seed ${seed}: rows changed by one of\n${kinds}`).toEqual([]);
      }
      tell(faults);
      expect(checked).toBeGreaterThan(looks / 2);
    },
    TIMEOUT,
  );

  it('leaves a master that serves as before, a database that keeps its promises, and no memory taken', async () => {
    made.clear();
    const heap = heapInUse();
    const figures = [
      `bad input: seed ${seed}, ${sent} requests, ${waves?.connectionsOpened} connections`,
      `heap ${mib(heapBefore)} → ${mib(heap)} MiB, resident ${mib(process.memoryUsage().rss)} MiB`,
    ];
    process.stdout.write(`${figures.join(', ')}\n`);
    expect(sent).toBeGreaterThan(10_000 * TIMES);
    expect(heap - heapBefore).toBeLessThan(100 * 2 ** 20);

    expect((await api('GET', '/health')).body).toEqual({ status: 'healthy', database: 'up' });
    await api('POST', '/api/v1/queues/default/resume');
    const { body: job } = await api('POST', '/api/v1/jobs', { scenario: '720p-h264', priority: 'high' });
    const { body: node } = await api('POST', '/api/v1/nodes', registration('afterwards'));
    const claim = { claim_id: crypto.randomUUID(), max_jobs: 6 };
    const { body: claimed } = await api('POST', `/api/v1/nodes/${node.id}/claim`, claim);
    expect(claimed.jobs.length).toBeGreaterThan(0);
    expect((await api('GET', `/api/v1/jobs/${job.id}`)).body).toMatchObject({ scenario: '720p-h264' });

    const findings = await verifyDatabase(db.database, { sinceSeconds: 3600 });
    expect(findings.filter(({ violations }) => violations.length > 0)).toEqual([]);
  });
});

function start(): Promise<RunningMaster> {
  const settings = Object.assign(new Settings(), { master_api_key: KEY });
  Object.assign(settings.api, { host: '127.0.0.1', port: 0 });
  Object.assign(settings.database, {
    type: 'postgres',
    dsn: db.poolDsn,
    direct_dsn: db.dsn,
    migrate_dsn: db.dsn,
  });
  settings.metrics.port = 0;
  // Nobody leads: what changes is changed by requests alone.
  settings.scheduler.enabled = false;
  return startMaster(settings, pino({ level: 'error' }, { write: (line: string) => void errors.push(line) }));
}

function sample(operation: Operation, index: number): FuzzRequest[] {
  const numRuns = operation.body ? WITH_BODY : WITHOUT_BODY;
  return fc.sample(requestsFor(operation, stage), { seed: seed + index, numRuns });
}

function shuffled(requests: FuzzRequest[]): FuzzRequest[] {
  const [order] = fc.sample(fc.shuffledSubarray(requests, { minLength: requests.length }), {
    seed,
    numRuns: 1,
  });
  return order ?? [];
}

function methodsByPath(all: readonly string[]): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const route of all) {
    const [method = '', path = ''] = route.split(' ');
    found.set(path, [...(found.get(path) ?? []), method]);
  }
  return found;
}

async function send(requests: readonly FuzzRequest[]): Promise<Answered[]> {
  sent += requests.length;
  return waves?.send(requests) ?? [];
}

/** Sends what was refused again, until nothing of it is taken: others of its wave may have made it possible. */
async function untilAllRefused(
  first: readonly Answered[],
  faults: string[],
): Promise<FuzzRequest[] | undefined> {
  let last = first;
  for (let round = 0; round < 5; round += 1) {
    faults.push(...faultsOf(last));
    const refused = last.filter(isRefused).map(({ request }) => request);
    if (refused.length === last.length) return refused;
    last = await send(refused);
  }
  return undefined;
}

function isRefused({ answer }: Answered): boolean {
  return !(answer instanceof NoAnswer) && answer.status >= 400;
}

function faultsOf(answered: readonly Answered[]): string[] {
  return answered.flatMap(({ request, answer }) => {
    const fault = answer instanceof NoAnswer ? answer.message : judge.faultOf(request, answer);
    return fault === undefined
      ? []
      : `${request.operation}: ${fault} (${request.kind})\n${replayOf(request)}`;
  });
}

/** The first of each kind, so that one fault does not hide the others. */
function tell(faults: readonly string[]): void {
  const first = new Map([...faults].reverse().map((fault) => [fault.slice(0, fault.indexOf('\n')), fault]));
  const shown = [...first.values()].slice(0, 20);
  const log = errors.splice(0).slice(0, 10);
  const told = [`seed ${seed}: ${faults.length} faults, of which the first of each kind`, ...shown, ...log];
  expect.soft(faults.length + log.length, told.join('\n\n')).toBe(0);
}

function heapInUse(): number {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  return process.memoryUsage().heapUsed;
}

function mib(bytes: number): number {
  return Math.round(bytes / 2 ** 20);
}
