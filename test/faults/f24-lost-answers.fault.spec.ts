import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { eventually } from '../support/eventually.js';
import { testsArePooled } from '../support/test-pooler.js';
import { mixedEnds } from './rig/mixed-ends.js';
import { clip, published, said } from './rig/real-work.js';
import { Rig } from './rig/rig.js';
import type { Caller } from './rig/recorder.js';

/** Cuts while workers and a load go on. */
const CUTS = 12;

/** What is found in the text of this statement, and of no other that the test meets. */
const TEXTS = {
  CreateJob: /SELECT c\.id, c\.sequence_number/,
  ClaimJobs: /queue_counter AS MATERIALIZED/,
  ReportAttempts: /judged AS/,
  HandOverJob: /offered AS MATERIALIZED/,
} as const;

let rig: Rig;

beforeAll(async () => {
  // No lease shall run out: then a job that came twice would look like one that was requeued.
  rig = await Rig.start({ masters: 2, env: { WORKERS_LEASE_DURATION: '2m' } });
});

afterEach(() => Promise.all(rig.programs.map((program) => program.stop())));
afterAll(() => rig.stop());

it('a claim’s answer is cut on its way: the same claim id gets the same attempt, at either master (F24, I2, I7)', async () => {
  const links = await rig.link();
  const [here, there] = callers(links.urls());
  const node = await rig.addNode('claims', 4, links.urls);
  await rig.submit(1);
  const claim = { claim_id: randomUUID(), max_jobs: 2, wait_seconds: 5 };
  const cut = links.links[0]?.cutAnswerTo(/\/claim HTTP/);
  const lost = await rig.recorder.claim(here, node, claim);
  await cut;
  expect([lost.reply, links.answersCut]).toEqual([undefined, 1]);
  const [lease] = await leases();
  rig.history.fault('F24', 'cut the answer to a claim that was carried out');
  // What comes later is not for this claim.
  await rig.submit(1);
  for (const caller of [here, there, here]) {
    const { reply } = await rig.recorder.claim(caller, node, claim);
    expect(reply?.body.jobs.map(({ job, lease_token }) => [job.id, lease_token])).toEqual([
      [lease?.job_id, lease?.token],
    ]);
  }
  const both = await Promise.all([here, there].map((caller) => rig.recorder.claim(caller, node, claim)));
  for (const { reply } of both) expect(reply?.body.jobs).toHaveLength(1);
  expect(await leases()).toEqual([lease]);
  await finish(here, node, [lease]);
});

it('a report’s answer is cut on its way: repeated it is duplicate, and its claim gives nothing twice (F24, I2, I3)', async () => {
  const links = await rig.link();
  const [here, there] = callers(links.urls());
  const node = await rig.addNode('reports', 4, links.urls);
  await rig.submit(3);
  const claim = { claim_id: randomUUID(), max_jobs: 1, wait_seconds: 5 };
  await rig.recorder.claim(here, node, claim);
  const [first] = await leases();
  if (!first) throw new Error('no job was claimed');
  const results = [{ job_id: first.job_id, lease_token: first.token, status: 'completed' as const }];
  const riding = { claim_id: randomUUID(), max_jobs: 1 };
  const cut = links.links[0]?.cutAnswerTo(/\/report HTTP/);
  const lost = await rig.recorder.report(here, node, results, riding);
  await cut;
  expect([lost.reply, links.answersCut]).toEqual([undefined, 1]);
  const [second, ...more] = await leases();
  expect(more).toEqual([]);
  rig.history.fault('F24', 'cut the answer to a report that was carried out, with its claim');
  for (const caller of [there, here, there]) {
    const { reply } = await rig.recorder.report(caller, node, results, riding);
    expect(reply?.body.results.map(({ outcome }) => outcome)).toEqual(['duplicate']);
    expect(reply?.body.jobs.map(({ job, lease_token }) => [job.id, lease_token])).toEqual([
      [second?.job_id, second?.token],
    ]);
  }
  expect(await leases()).toEqual([second]);
  await finish(there, node, [second]);
});

it('a real worker loses answers to its claims and reports, and runs and publishes each job once (F24, I1, I2)', async () => {
  const links = await rig.link();
  const jobs = await rig.submit(8, (k) => clip(`${k}.mp4`, 2));
  // Jobs wait already, so that its first claim is given some.
  const claim = links.cutAnswerTo(/\/claim HTTP/);
  const worker = await rig.addRealWorker('real', ['--slots', '2'], {}, links.urls());
  await claim;
  const twice = () =>
    said(worker, 'attempt reported').filter(({ outcome }) => outcome === 'duplicate').length;
  for (let before = twice(), round = 0; round < 3; before = twice(), round += 1) {
    await links.cutAnswerTo(/\/report HTTP/);
    // Not the repeat, too: each time it shall be another report.
    await eventually(() => expect(twice()).toBeGreaterThan(before), { within: 20_000 });
  }
  const cuts = links.answersCut;
  expect(cuts).toBeGreaterThanOrEqual(4);
  rig.history.fault('F24', `cut ${cuts} answers to a real worker`);
  const { events } = await rig.peace();
  await eventually(() => expect(published(rig.outputDir).size).toBe(jobs.length), { within: 20_000 });
  for (const id of jobs) {
    const types = events.filter(({ job_id }) => job_id === id).map(({ type }) => type);
    expect(types.filter((type) => type !== 'started')).toEqual(['submitted', 'assigned', 'completed']);
  }
  expect(said(worker, 'attempt begun')).toHaveLength(jobs.length);
  expect(twice()).toBeGreaterThanOrEqual(3);
  console.info(`${cuts} answers cut on their way to a real worker, ${twice()} reports told duplicate`);
});

it('answers of the database are cut after the commit: the master repeats what it asked, and nothing is done twice (F24, I1, I2, I3)', async () => {
  const [master] = rig.masters;
  const [link] = master?.links ?? [];
  if (!master || !link) throw new Error('this master has no link to its database');
  const here = { name: 'client', url: () => master.url };
  const node = await rig.addNode('database', 8);
  const before = link.counts.answers_cut;
  const cutting = async <T>(name: keyof typeof TEXTS, call: () => Promise<T>): Promise<T> => {
    const cut = link.cutAnswerTo(messageOf(name));
    const [answer] = await Promise.all([call(), cut]);
    rig.history.fault('F24', `cut the database's answer to ${name}`);
    return answer;
  };

  const jobs: string[] = [];
  for (const key of [undefined, randomUUID()]) {
    const made = await cutting('CreateJob', () => rig.recorder.submit(here, [{ scenario: 'once' }], key));
    expect(made?.status).toBe(201);
    jobs.push((made?.body as { id: string }).id);
  }
  expect(await waiting()).toEqual([...jobs].sort());

  const claim = { claim_id: randomUUID(), max_jobs: 1, wait_seconds: 10 };
  const { reply } = await cutting('ClaimJobs', () => rig.recorder.claim(here, node, claim));
  const [first] = await leases();
  expect(reply?.body.jobs.map(({ job, lease_token }) => [job.id, lease_token])).toEqual([
    [first?.job_id, first?.token],
  ]);
  expect(await leases()).toHaveLength(1);
  if (!first) throw new Error('no job was claimed');

  const results = [{ job_id: first.job_id, lease_token: first.token, status: 'completed' as const }];
  const riding = { claim_id: randomUUID(), max_jobs: 1 };
  const reported = await cutting('ReportAttempts', () => rig.recorder.report(here, node, results, riding));
  expect(reported.reply?.body.results.map(({ outcome }) => outcome)).toEqual(['duplicate']);
  const [second, ...more] = await leases();
  expect(more).toEqual([]);
  expect(reported.reply?.body.jobs.map(({ lease_token }) => lease_token)).toEqual([second?.token]);
  await finish(here, node, [second]);

  // A submit that goes straight to a claim that is parked at this master.
  const looks = () => master.metric('db_query_duration_seconds_count', '"LookForAnswers"');
  const looked = await looks();
  const parked = rig.recorder.claim(here, node, {
    claim_id: randomUUID(),
    max_jobs: 1,
    wait_seconds: 20,
  });
  // Before that nobody knows whether it was answered already.
  await eventually(async () => expect(await looks()).toBeGreaterThan(looked), { within: 10_000 });
  const made = await cutting('HandOverJob', () => rig.recorder.submit(here, [{ scenario: 'handed over' }]));
  expect(made?.status).toBe(201);
  const given = await parked;
  const [last, ...others] = await leases();
  expect(others).toEqual([]);
  expect(given.reply?.body.jobs.map(({ job, lease_token }) => [job.id, lease_token])).toEqual([
    [(made?.body as { id: string }).id, last?.token],
  ]);
  await finish(here, node, [last]);
  expect(link.counts.answers_cut - before).toBe(5);
  console.info('5 answers of the database were cut after the commit; nothing was done twice');
});

it('answers are cut again and again while workers and a load go on (F24, I1, I2, I3, I7)', async () => {
  const links = await rig.link();
  rig.addWorkers(2, { urls: links.urls, roams: true, ends: mixedEnds(rig.random) });
  const load = rig.load({ perSecond: 20 });
  for (let cut = 0; cut < CUTS; cut += 1)
    await links.cutAnswerTo(cut % 2 === 0 ? /\/claim HTTP/ : /\/report HTTP/);
  expect(links.answersCut).toBeGreaterThanOrEqual(CUTS);
  rig.history.fault('F24', `cut ${links.answersCut} answers`);
  const { operations, events } = await rig.peace();
  const duplicates = operations
    .filter((one) => one.kind === 'report')
    .flatMap(({ results }) => results.filter(({ outcome }) => outcome === 'duplicate'));
  expect(duplicates.length).toBeGreaterThan(0);
  const jobs = new Set(load.jobIds);
  const count = (...types: string[]) =>
    events.filter(({ job_id, type }) => jobs.has(job_id) && types.includes(type)).length;
  // No attempt was begun but for a job's first one and for each that was handed back or failed with a retry left.
  const again = count('released', 'retrying');
  expect(again).toBeGreaterThan(0);
  expect(count('assigned')).toBe(jobs.size + again);
  expect(count('completed', 'failed')).toBe(jobs.size);
  console.info(
    `${links.answersCut} answers cut, ${jobs.size} jobs ran once, or again as they ended (${again})`,
  );
});

interface Lease {
  readonly job_id: string;
  readonly token: number;
}

function callers(urls: readonly string[]): [Caller, Caller] {
  const [here = '', there = ''] = urls;
  return [
    { name: 'here', url: () => here },
    { name: 'there', url: () => there },
  ];
}

function leases(): Promise<Lease[]> {
  const sql = 'SELECT job_id, lease_token::float8 AS token FROM ffmpeg_master.leases ORDER BY lease_token';
  return rig.query<Lease & Record<string, unknown>>(sql);
}

async function waiting(): Promise<string[]> {
  const sql = `SELECT id FROM ffmpeg_master.jobs WHERE status = 'queued' ORDER BY id`;
  return (await rig.query<{ id: string }>(sql)).map(({ id }) => id);
}

/** Reports what this node holds, claims and reports what still waits, and comes to peace. */
async function finish(caller: Caller, node: string, held: readonly (Lease | undefined)[]): Promise<void> {
  let left = held.flatMap((lease) => (lease ? [{ job_id: lease.job_id, lease_token: lease.token }] : []));
  while (left.length > 0) {
    const results = left.map((attempt) => ({ ...attempt, status: 'completed' as const }));
    const claim = { claim_id: randomUUID(), max_jobs: 1 };
    const { reply } = await rig.recorder.report(caller, node, results, claim);
    expect(reply?.body.results.map(({ outcome }) => outcome)).toEqual(left.map(() => 'accepted'));
    left = (reply?.body.jobs ?? []).map(({ job, lease_token }) => ({ job_id: job.id, lease_token }));
  }
  await rig.peace();
}

/** The message that carries it out: it binds values to the prepared statement, or brings the text for a pooler. */
function messageOf(name: keyof typeof TEXTS): RegExp {
  return testsArePooled() ? TEXTS[name] : new RegExp(`\\0${name}\\0`);
}
