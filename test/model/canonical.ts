/**
 * The key of a world: equal for worlds that differ in nothing but the names of workers and masters, or in the
 * order of sets. Each number takes one letter, for a million of these are kept in memory.
 */
import type { Attempt, Row, Term, World } from './world.js';

const WORDS = [
  ...['queued', 'assigned', 'running', 'retrying', 'timed_out', 'rejected'],
  ...['completed', 'failed', 'canceled', 'released', 'lease_expired'],
];
const LETTERS = new Map(WORDS.map((word, index) => [word, String.fromCharCode(97 + index)]));

export function canonicalKey(world: World): string {
  const name = workerNames(world);
  const renamed = (node: number | null): string => number(node === null ? null : name[node]!);
  const row = (one: Row | null): string =>
    one === null
      ? '-'
      : word(one.status) +
        renamed(one.node) +
        [one.token, one.failures, one.releases, one.retry_count, one.reported_token].map(number).join('') +
        word(one.reported_as) +
        number(one.attempt) +
        number(one.era);
  const attempt = (one: Attempt): string =>
    [one.job, name[one.node]!, one.claim, one.token, one.era].map(number).join('') +
    flag(one.heard) +
    flag(one.accepted) +
    word(one.said) +
    word(one.end);
  const workers = world.workers.map(
    (one, node) => [name[node]!, number(one.claim) + flag(one.dead)] as const,
  );
  const masters = world.masters.map(
    ({ lock, term: own, decision }, index) =>
      flag(lock) +
      flag(world.leadership.master === index) +
      term(own) +
      term(decision) +
      (decision?.seen ?? []).map(number).join(''),
  );
  return [
    world.jobs.map(({ live, archived }) => row(live) + row(archived)).join(''),
    world.attempts.map(attempt).join(''),
    workers
      .sort(([a], [b]) => a - b)
      .map(([, own]) => own)
      .join(''),
    world.leases
      .map(({ job, node, token, attempt: of, expired, revoked }) => {
        return [job, name[node]!, token, of].map(number).join('') + flag(expired) + flag(revoked);
      })
      .sort()
      .join(''),
    world.selected
      .map(({ node, claim, job }) => [name[node]!, claim, job].map(number).join(''))
      .sort()
      .join(''),
    masters.sort().join(','),
    [world.leadership.epoch, world.terms, world.highest_epoch, ...Object.values(world.left)]
      .map(number)
      .join(''),
  ].join('/');
}

/** By the first attempt that a worker was given; those without one by what they ask for. */
function workerNames({ workers, attempts, selected }: World): number[] {
  const told = workers.map(({ claim, dead }, node) => {
    const first = attempts.findIndex((attempt) => attempt.node === node);
    const asked = selected
      .filter((one) => one.node === node)
      .map((one) => number(one.claim) + number(one.job));
    return {
      node,
      order: (first < 0 ? '~' : number(first)) + number(claim) + flag(dead) + asked.sort().join(''),
    };
  });
  told.sort((a, b) => (a.order < b.order ? -1 : a.order > b.order ? 1 : a.node - b.node));
  const names: number[] = [];
  told.forEach(({ node }, name) => (names[node] = name));
  return names;
}

function number(value: number | null): string {
  return value === null ? '-' : String.fromCharCode(48 + value);
}

function flag(value: boolean): string {
  return value ? '+' : '.';
}

function word(value: string | null): string {
  return value === null ? '-' : LETTERS.get(value)!;
}

function term(value: Term | null): string {
  return value === null ? '-' : number(value.epoch) + number(value.ordinal);
}
