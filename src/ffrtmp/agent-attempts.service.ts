/**
 * Attempts of agents of ffmpeg-rtmp, which know of no leases: the master keeps the token for them. An attempt is known by
 * its node and its job, and told from those of other workers by its claim's id.
 *
 *     /jobs/next ──▶ assigned ──answer read, or a sign of life──▶ running ──/results──▶ ended
 *                       │
 *                       └─ the connection was cut: the next /jobs/next within moments is the same claim again
 *
 * Its lease lasts `timeouts.heartbeat_timeout`, three of the agent's heartbeats, and each of them renews it, as the agent's
 * own look at the job does every 5 s.
 */
import { Inject, Injectable, type OnModuleDestroy } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import type { Milliseconds } from '../config/durations.js';
import { Settings } from '../config/settings.js';
import { Connection } from '../dispatch/connection.js';
import type { AttemptRow } from '../dispatch/claim.repository.js';
import { HandingOut } from '../dispatch/handing-out.service.js';
import { HeartbeatsService } from '../dispatch/heartbeats.service.js';
import type { HeldAttempt } from '../dispatch/held-attempts.repository.js';
import { HeldAttempts } from '../dispatch/held-attempts.js';
import { LOGGER, type Logger } from '../logging/logger.js';
import { isAgentsClaim, isClaimOf, newClaimId } from './agent-claim-id.js';
import { Deliveries } from './deliveries.js';
import { keepsConnections } from './keeps-connections.js';
import { INPUT_SECONDS } from './wire/job-request.js';

/**
 * A /jobs/next this long after an answer that nobody is known to have read is its repeat: the agent's transport repeats a
 * cut request after 3 ms, its own tries come after 1, 2 and 4 s, and its next poll after 10 s.
 */
export const REPEATED_WITHIN: Milliseconds = 5_000;

/**
 * How long an attempt may take where its job does not say it: the 3,600 s after which the agent ends it by itself. Agents
 * tell of no progress, by which others are judged, and what they need for a minute of media nobody knows.
 */
export const LIMIT_SECONDS = 3_600 + INPUT_SECONDS;

@Injectable()
export class AgentAttempts implements OnModuleDestroy {
  private readonly deliveries = new Deliveries(REPEATED_WITHIN);

  constructor(
    private readonly held: HeldAttempts,
    private readonly handingOut: HandingOut,
    private readonly heartbeats: HeartbeatsService,
    private readonly settings: Settings,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  onModuleDestroy(): void {
    this.deliveries.close();
  }

  /**
   * The next job of the node, or the one that it was given already and never heard of. 404 for an unknown node.
   * @param compose makes the answer of an attempt; where it fails, the attempt is handed back
   */
  async next<Answer>(
    node_id: string,
    address: string,
    reply: FastifyReply,
    compose: (attempt: AttemptRow) => Promise<Answer>,
  ): Promise<Answer | undefined> {
    const connection = new Connection(reply);
    const keeps = keepsConnections(reply.request.headers);
    const unheard = keeps ? await this.unheardOf(node_id, address) : undefined;
    const given = unheard && (await this.claim(node_id, unheard.claim_id, connection));
    const attempt = given ?? (await this.claim(node_id, newClaimId(address), connection));
    if (!attempt) return undefined;
    const { row, claim_id } = attempt;
    const answer = await compose(row).catch(async (error: unknown) => {
      await this.handingOut.takeBack(node_id, claim_id, [row]);
      throw error;
    });
    this.deliveries.watch(claim_id, reply.raw, keeps, () => this.begin(node_id, row));
    return answer;
  }

  /** The node's sign of life, for all that it holds. 404 for an unknown node. */
  async beat(node_id: string): Promise<void> {
    const attempts = (await this.held.of(node_id)).filter(
      // One that nobody is known to have heard of is not kept by it, until it cannot be asked for again.
      (one) => isAgentsClaim(one.claim_id) && !one.revoked && (one.begun || one.age > REPEATED_WITHIN),
    );
    await this.heartbeats.beat(node_id, { attempts: attempts.map((one) => this.signOfLife(one)) });
  }

  /** The agent looked at the job that it runs. Whoever else reads it renews nothing. */
  async looked(node_id: string, job_id: string, address: string): Promise<void> {
    const attempt = (await this.held.of(node_id)).find(
      (one) => one.job_id === job_id && !one.revoked && isClaimOf(one.claim_id, address),
    );
    if (attempt) await this.heartbeats.beat(node_id, { attempts: [this.signOfLife(attempt)] });
  }

  /** The token of the node's attempt at the job, as long as its slot is taken. */
  async tokenOf(node_id: string, job_id: string): Promise<number | undefined> {
    const held = await this.held.of(node_id);
    return held.findLast((one) => one.job_id === job_id && isAgentsClaim(one.claim_id))?.lease_token;
  }

  private async unheardOf(node_id: string, address: string): Promise<HeldAttempt | undefined> {
    return (await this.held.of(node_id)).find(({ claim_id, begun, revoked, age }) => {
      if (begun || revoked || age > REPEATED_WITHIN) return false;
      return isClaimOf(claim_id, address) && !this.deliveries.isOpen(claim_id);
    });
  }

  private async claim(node_id: string, claim_id: string, connection: Connection) {
    const lease = this.settings.timeouts.heartbeat_timeout;
    const request = { claim_id, max_jobs: 1, wait_seconds: 0 };
    const [row] = await this.handingOut.take(node_id, request, connection, lease);
    return row && { row, claim_id };
  }

  /** Agents never say that they begin. */
  private async begin(node_id: string, { id: job_id, lease_token }: AttemptRow): Promise<void> {
    try {
      const attempt = (await this.held.of(node_id)).find((one) => one.lease_token === lease_token);
      if (!attempt || attempt.revoked || attempt.begun) return;
      await this.heartbeats.beat(node_id, { attempts: [this.signOfLife(attempt)] });
    } catch (error) {
      this.logger.warn(
        { err: error, node_id, job_id },
        'the attempt begins with the next heartbeat of its agent',
      );
    }
  }

  private signOfLife({ job_id, lease_token, unlimited }: HeldAttempt) {
    return {
      job_id,
      lease_token,
      started: true,
      ...(unlimited && { limit_seconds: LIMIT_SECONDS }),
    };
  }
}
