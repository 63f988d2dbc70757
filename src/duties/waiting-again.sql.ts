/** What a duty answers of the jobs it changed, so that their signals can be sent after the commit. */
import type { Signals } from '../signals/signals.js';

/** Columns of the final SELECT: jobs that wait now by lane, counted in the CTE `source` by `condition`. */
export function lanesWaiting(source: string, condition: string): string {
  return `(SELECT coalesce(jsonb_object_agg(w.lane_id, w.jobs), '{}')
           FROM (SELECT lane_id, count(*) AS jobs FROM ${source} WHERE ${condition} GROUP BY lane_id) w) AS lanes`;
}

export type LanesWaiting = Readonly<Record<string, number>>;

export function signalLanes(signals: Signals, lanes: LanesWaiting): void {
  for (const [lane, jobs] of Object.entries(lanes)) signals.send('lane', lane, jobs);
}
