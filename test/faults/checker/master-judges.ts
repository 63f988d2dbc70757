/** Masters: one leader an epoch (I4), who stops takes nothing more (I12), no deadlock (I13). */
import { groupBy, operationsOf, violation, type Judge, type Violation } from './evidence.js';

/** Epochs rise with time, and each is one master's. */
export const i4: Judge = ({ operations, terms }) => {
  const found: Violation[] = [];
  const inTime = [...terms].sort((a, b) => a.since - b.since);
  for (const [k, term] of inTime.entries())
    if (k > 0 && term.epoch <= (inTime[k - 1]?.epoch ?? 0))
      found.push(violation('I4', `epoch ${term.epoch} began after ${inTime[k - 1]?.epoch}`));
  const seen = operationsOf(operations, 'leading');
  for (const [epoch, all] of groupBy(seen, (one) => one.epoch)) {
    const masters = new Set(all.map(({ master }) => master));
    if (masters.size > 1)
      found.push(violation('I4', `epoch ${epoch} had the leaders ${[...masters].join(' and ')}`));
  }
  for (const later of seen) {
    const older = seen.find(
      ({ epoch, begin }) => epoch < later.epoch && begin > (later.end ?? Infinity) + TRUST_FOR,
    );
    if (older)
      found.push(violation('I4', `${older.master} led in epoch ${older.epoch} after ${later.epoch} began`));
  }
  return found;
};

/** Milliseconds for which a leader may believe in its term without an answer (election.ts). */
const TRUST_FOR = 1_500;

/** A draining master gives nothing to a claim that nobody had met before, whether alone or on a report, and ends well. */
export const i12: Judge = ({ operations }) => {
  const found: Violation[] = [];
  const claims = [...operationsOf(operations, 'claim'), ...operationsOf(operations, 'report')];
  for (const { master, begin, end = Infinity, exit_status } of operationsOf(operations, 'drain')) {
    if (exit_status !== 0)
      found.push(violation('I12', `${master} ended with ${exit_status} when it was told to stop`));
    for (const late of claims) {
      if (late.at !== master || late.begin < begin || late.begin > end || late.handed.length === 0) continue;
      const { kind, claim_id } = late;
      const repeated =
        claim_id !== undefined && claims.some((one) => one.claim_id === claim_id && one.begin < late.begin);
      if (!repeated)
        found.push(violation('I12', `${master} gave jobs to the ${kind} ${claim_id} while it drained`));
    }
  }
  return found;
};

export const i13: Judge = ({ logs }) =>
  logs
    .flatMap((log) => log.split('\n'))
    .filter((line) => /\b40P01\b|deadlock detected/.test(line))
    .map((line) => violation('I13', line.slice(0, 300)));
