/** Which rows a statement reads, and by which way: taken from its EXPLAIN (ANALYZE, FORMAT JSON). */

export interface PlanNode {
  'Node Type': string;
  'Relation Name'?: string;
  'Index Name'?: string;
  'Actual Rows': number;
  'Actual Loops': number;
  'Rows Removed by Filter'?: number;
  'Rows Removed by Index Recheck'?: number;
  'Rows Removed by Join Filter'?: number;
  /** Pages of 8 KiB, those of the nodes below included. */
  'Shared Hit Blocks': number;
  'Shared Read Blocks': number;
  Plans?: PlanNode[];
}

export interface TableRead {
  /** The partitioned parent where a partition of it was read. */
  readonly table: string;
  /** Of its parent, likewise; undefined for a sequential scan. */
  readonly index: string | undefined;
  /** Rows visited, those that a filter threw away included. */
  readonly rows: number;
}

/** Every scan of a table in the plan that was executed at all. A bitmap is read entry by entry from its indexes. */
export function readsOf(plan: PlanNode, above?: string): TableRead[] {
  const table = plan['Relation Name'] ?? above;
  const children = (plan.Plans ?? []).flatMap((child) => readsOf(child, bitmapFor(child, table)));
  const type = plan['Node Type'];
  if (
    table === undefined ||
    type === 'Bitmap Heap Scan' ||
    !type.endsWith('Scan') ||
    plan['Actual Loops'] === 0
  )
    return children;
  const visited =
    plan['Actual Rows'] +
    (plan['Rows Removed by Filter'] ?? 0) +
    (plan['Rows Removed by Index Recheck'] ?? 0);
  const index = plan['Node Type'] === 'Tid Scan' ? 'ctid' : plan['Index Name'];
  return [
    {
      table: ofParent(table),
      index: index && ofParent(index),
      rows: Math.round(visited * plan['Actual Loops']),
    },
    ...children,
  ];
}

/**
 * Rows that all steps of a plan gave or threw away: those of intermediate results too, which no read of a table
 * shows. Two lists of 300 that are compared each with each are 90,000.
 */
export function stepsOf(plan: PlanNode): number {
  const own =
    plan['Actual Rows'] + (plan['Rows Removed by Filter'] ?? 0) + (plan['Rows Removed by Join Filter'] ?? 0);
  const below = (plan.Plans ?? []).reduce((sum, child) => sum + stepsOf(child), 0);
  return Math.round(own * plan['Actual Loops']) + below;
}

/** The table whose bitmap the child makes, if it makes one. */
function bitmapFor(child: PlanNode, table: string | undefined): string | undefined {
  return child['Node Type'].startsWith('Bitmap') ? table : undefined;
}

/** `job_events_20260102_pkey` is, for a reader of plans, `job_events_pkey`. */
function ofParent(name: string): string {
  return name.replace(/_\d{8}/, '');
}
