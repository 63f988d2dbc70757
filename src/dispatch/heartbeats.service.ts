import { Injectable } from '@nestjs/common';
import { Settings } from '../config/settings.js';
import type { Grouped } from '../database/grouped.js';
import { StatementGroups } from '../database/statement-groups.js';
import { nodeNotFound, NodesService } from '../nodes/nodes.service.js';
import type { AttemptAnswer, HeartbeatAnswer, HeartbeatRequest } from '../protocol/heartbeat.js';
import { Problem } from '../protocol/problem.js';
import { Signals } from '../signals/signals.js';
import { HeartbeatRepository, type BeatenAttempt, type NodeHeartbeat } from './heartbeat.repository.js';

/** Attempts in one statement: 10,000 running attempts are ten statements every ten seconds. */
const HEARTBEATS_A_GROUP = 200;

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
      run: (beats: readonly NodeHeartbeat[]) => this.run(beats),
    });
  }

  /** 404 for a node that is not there: it shall register again. */
  async beat(node_id: string, request: HeartbeatRequest): Promise<HeartbeatAnswer> {
    const answer = await this.beats.add({ node_id, ...request });
    if (answer instanceof Problem) throw answer;
    return answer;
  }

  private async run(beats: readonly NodeHeartbeat[]): Promise<(HeartbeatAnswer | Problem)[]> {
    const lease = this.settings.workers.lease_duration;
    const carriesAttempts = beats.some(({ attempts }) => attempts.length > 0);
    const [attempts, nodes] = await Promise.all([
      carriesAttempts ? this.repository.extend(beats, lease) : [],
      this.repository.touch(beats),
    ]);
    const offline = nodes.filter((node) => node.status === 'offline').map((node) => node.node_id);
    if (offline.length > 0) await this.nodes.revive(offline);
    if (beats.some((beat) => beat.attempts.some((attempt) => attempt.started))) this.signals.send('event');
    const byName = new Map(attempts.map((attempt) => [nameOf(attempt), attempt]));
    const byNode = new Map(nodes.map((node) => [node.node_id, node]));
    return beats.map(({ node_id, attempts: sent }) => {
      const node = byNode.get(node_id);
      if (!node) return nodeNotFound();
      const answers = sent.map((attempt) =>
        answerTo(attempt.job_id, byName.get(nameOf({ node_id, ...attempt })), lease),
      );
      return { attempts: answers, drain: node.draining };
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
    pause: extended && row.paused,
  };
}

function nameOf(attempt: { node_id: string; job_id: string; lease_token: number }): string {
  return `${attempt.node_id} ${attempt.job_id.toLowerCase()} ${attempt.lease_token}`;
}
