/**
 * The checker itself, on forged histories: a good one passes, each bad one breaks just the promise it is about, and
 * every clause of every judge has one. They stand in `forgeries`, by judge; what they are made of in `forged-history.ts`.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { check, JUDGES } from './check.js';
import {
  BETA,
  claim,
  drain,
  good,
  goodAnd,
  handed,
  heard,
  job,
  log,
  report,
  reset,
  secondClaim,
  submit,
} from './forged-history.js';
import { leaseForgeries } from './forgeries/lease-forgeries.js';
import { logForgeries } from './forgeries/log-forgeries.js';
import { masterForgeries } from './forgeries/master-forgeries.js';
import { reportForgeries } from './forgeries/report-forgeries.js';
import { workForgeries } from './forgeries/work-forgeries.js';

describe('a good history', () => {
  it('breaks nothing', () => {
    expect(check(good())).toEqual([]);
  });

  it('may have a job that ran again once its first lease was over', () => {
    const events = log(
      ['submitted', null, 'queued'],
      ['assigned', 'queued', 'assigned', 1],
      ['lease_expired', 'assigned', 'queued', 1],
      ['assigned', 'queued', 'assigned', 2],
      ['completed', 'assigned', 'completed', 2],
    );
    const operations = [
      submit(),
      claim({ begin: 10, end: 20, handed: [handed(1)] }),
      // The report of the first comes late and is refused.
      secondClaim(),
      report({ begin: 3040, end: 3050, node_id: BETA, token: 2, outcome: 'accepted' }),
      report({ begin: 4000, end: 4010, token: 1, outcome: 'stale' }),
    ];
    expect(check(good({ events, operations }))).toEqual([]);
  });

  it('may have a job whose time had come when it was submitted, and that failed once', () => {
    const events = log(
      ['submitted', null, 'queued'],
      ['assigned', 'queued', 'assigned', 1],
      ['retrying', 'assigned', 'retrying', 1],
      ['promoted', 'retrying', 'queued'],
      ['assigned', 'queued', 'assigned', 2],
      ['completed', 'assigned', 'completed', 2],
    );
    expect(check(good({ events, jobs: [job({ run_at: 1000 })], operations: [submit()] }))).toEqual([]);
  });

  it('may have a reader that missed what came before it was reset', () => {
    expect(check(goodAnd(...heard(1), reset('1-702-0-20261123'), ...heard(3)))).toEqual([]);
  });

  it('may have a draining master that gives a repeated claim what it was given before', () => {
    const riding = { token: 9, claim_id: 'riding', at: 'http://a' };
    const operations = [
      submit(),
      report({ begin: 6, ...riding }),
      drain(7, 100),
      report({ begin: 10, end: 20, ...riding, handed: [handed(1)] }),
    ];
    expect(check(good({ operations }))).toEqual([]);
  });

  it('concludes nothing from an answer that never came', () => {
    expect(check(goodAnd(claim({ begin: 5, handed: [] })))).toEqual([]);
  });
});

describe('a forged history', () => {
  const forged = [leaseForgeries, logForgeries, masterForgeries, reportForgeries, workForgeries];
  const all = forged
    .flatMap((each) => Object.entries(each))
    .flatMap(([id, cases]) => Object.entries(cases).map(([what, forgery]) => ({ id, what, ...forgery })));

  it('is there for each promise that the checker judges', () => {
    expect(new Set(all.map(({ id }) => id))).toEqual(new Set(Object.keys(JUDGES)));
  });

  for (const { id, what, evidence, says, also = [] } of all)
    it(`breaks ${[id, ...also].join(' and ')}: ${what}`, () => {
      const found = check(evidence);
      expect(new Set(found.map(({ invariant }) => invariant))).toEqual(new Set([id, ...also]));
      const details = found.filter(({ invariant }) => invariant === id).map(({ detail }) => detail);
      expect(details.filter((detail) => detail.includes(says))).not.toEqual([]);
    });

  it('is there for each thing that a judge can say', () => {
    const found = all.flatMap(({ id, evidence }) =>
      check(evidence).filter(({ invariant }) => invariant === id),
    );
    const sayings = judgesSay();
    expect(sayings.length).toBeGreaterThan(25);
    const unsaid = sayings.filter(
      ({ id, text }) => !found.some(({ invariant, detail }) => invariant === id && text.test(detail)),
    );
    expect(unsaid).toEqual([]);
  });
});

/** The texts of all violations, read from the sources of the judges, with anything in place of their values. */
function judgesSay(): { id: string; text: RegExp }[] {
  const sources = readdirSync(import.meta.dirname)
    .filter((name) => name.endsWith('.ts') && !name.endsWith('.spec.ts'))
    .map((name) => readFileSync(`${import.meta.dirname}/${name}`, 'utf8'));
  return sources.flatMap((source) =>
    [...source.matchAll(/\bviolation\(\s*'(I\d+)',\s*(?:`([^`]*)`)?/g)].map(
      ([, id = '', template = '${}']) => {
        const parts = template
          .split(/\$\{(?:[^{}]|\{[^{}]*\})*\}/)
          .map((part) => part.replace(/[.*+?^$()[\]\\|{}]/g, '\\$&'));
        return { id, text: new RegExp(`^${parts.join('.*')}$`, 's') };
      },
    ),
  );
}
