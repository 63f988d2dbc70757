import { Injectable } from '@nestjs/common';
import { Settings } from '../config/settings.js';
import type { Grouped } from '../database/grouped.js';
import { StatementGroups } from '../database/statement-groups.js';
import { nodeNotFound, NodesService } from '../nodes/nodes.service.js';
import type { AttemptAnswer, HeartbeatAnswer } from '../protocol/heartbeat.js';
import { Problem } from '../protocol/problem.js';
import { Signals } from '../signals/signals.js';
import { mergeBeats, type Beat, type NodeHeartbeat } from './heartbeat-group.js';
import { HeartbeatRepository, type BeatenAttempt } from './heartbeat.repository.js';

/** Nodes in one statement: with ten attempts each it takes 30 ms. */
const HEARTBEATS_A_GROUP = 200;

/** Milliseconds that a heartbeat waits for others. Nobody waits for its answer; a node sends one every ten seconds. */
const GATHER = 100;

/**
 * The worker's sign of life, for all its attempts at once: leases are extended, progress goes up, and
 * cancel, pause and drain come down.
 */
@Injectable()
export class HeartbeatsService {
  private readonly beats: Grouped<NodeHeartbeat, HeartbeatAnswer | Problem>;

  constructor(
    private readonly repository: HeartbeatRepository,
    private readonly nodes: NodesService,
    private readonly signals: Signals,
    private readonly settings: Settings,
    groups: StatementGroups,
  ) {
    this.beats = groups.make({
      name: 'heartbeats',
      max_group: HEARTBEATS_A_GROUP,
      gather: GATHER,
      run: (beats: readonly NodeHeartbeat[]) => this.run(beats),
    });
  }

  /** 404 for a node that is not there: it shall register again. */
  async beat(node_id: string, request: Beat): Promise<HeartbeatAnswer> {
    const answer = await this.beats.add({ node_id, ...request });
    if (answer instanceof Problem) throw answer;
    return answer;
  }

  private async run(beats: readonly NodeHeartbeat[]): Promise<(HeartbeatAnswer | Problem)[]> {
    const lease = this.settings.workers.lease_duration;
    const group = mergeBeats(beats);
    const beaten = await this.repository.extend(group.nodes, group.attempts, lease);
    const starting = beaten.attempts.flatMap(({ starting, ordinal }) =>
      starting ? (group.attempts[ordinal] ?? []) : [],
    );
    if (starting.length > 0 && (await this.repository.start(starting)) > 0) this.signals.send('event');
    const offline = beaten.nodes.flatMap(({ offline, ordinal }) =>
      offline ? (group.nodes[ordinal]?.node_id ?? []) : [],
    );
    if (offline.length > 0) await this.nodes.revive(offline);
    const attempts = byOrdinal(beaten.attempts);
    const nodes = byOrdinal(beaten.nodes);
    return group.beats.map((beat) => {
      const node = nodes.get(beat.node);
      if (!node) return nodeNotFound();
      return {
        attempts: beat.attempts.map(({ job_id, ordinal }) => answerTo(job_id, attempts.get(ordinal), lease)),
        drain: node.draining,
      };
    });
  }
}

/** An attempt without a row is lost: its token is old, or was never this node's. */
function answerTo(job_id: string, row: BeatenAttempt | undefined, lease: number): AttemptAnswer {
  const extended = row?.extended === true;
  return {
    job_id,
    lease: extended ? 'extended' : 'lost',
    lease_seconds: extended ? lease / 1000 : 0,
    cancel: row?.canceled === true,
    pause: row?.paused === true,
  };
}

function byOrdinal<Row extends { ordinal: number }>(rows: readonly Row[]): Map<number, Row> {
  return new Map(rows.map((row) => [row.ordinal, row]));
}
