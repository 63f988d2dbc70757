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
 * cut request after 3 ms, its own tries come 1, 3 and 7 s after the first, and its next poll after 10 s.
 */
export const REPEATED_WITHIN: Milliseconds = 8_500;

/**
 * A connection that is open this long after an answer has carried it: Go's clients keep theirs. One that is dead at its
 * other end is cut at a repeat of TCP's, the third of which is sent 1.4 s after the answer.
 */
const SETTLED: Milliseconds = 1_500;

/**
 * How long an attempt may take where its job does not say it: the 3,600 s after which the agent ends it by itself. Agents
 * tell of no progress, by which others are judged, and what they need for a minute of media nobody knows.
 */
export const LIMIT_SECONDS = 3_600 + INPUT_SECONDS;

interface Claimed {
  readonly row: AttemptRow;
  readonly claim_id: string;
}

@Injectable()
export class AgentAttempts implements OnModuleDestroy {
  private readonly deliveries = new Deliveries(REPEATED_WITHIN, SETTLED);

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
    const keeps = keepsConnections(reply.request.headers);
    const attempt = keeps
      ? await this.givenOrNext(node_id, address, reply)
      : await this.claim(node_id, newClaimId(address), reply);
    if (!attempt) return undefined;
    const { row, claim_id } = attempt;
    const answer = await compose(row).catch(async (error: unknown) => {
      await this.takeBack(node_id, attempt);
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

  /**
   * A claim of a master that was killed may be committing still when its agent asks again elsewhere. The next claim of the
   * node waits for it, so that a second look sees what came of it.
   */
  private async givenOrNext(
    node_id: string,
    address: string,
    reply: FastifyReply,
  ): Promise<Claimed | undefined> {
    const given = await this.giveAgain(node_id, address, reply);
    if (given) return given;
    const next = await this.claim(node_id, newClaimId(address), reply);
    const late = await this.giveAgain(node_id, address, reply);
    if (!late) return next;
    if (next) await this.takeBack(node_id, next);
    return late;
  }

  private async giveAgain(
    node_id: string,
    address: string,
    reply: FastifyReply,
  ): Promise<Claimed | undefined> {
    const unheard = (await this.held.of(node_id)).find(({ claim_id, begun, revoked, age }) => {
      if (begun || revoked || age > REPEATED_WITHIN) return false;
      return isClaimOf(claim_id, address) && !this.deliveries.isOpen(claim_id);
    });
    return unheard && this.claim(node_id, unheard.claim_id, reply);
  }

  private async claim(node_id: string, claim_id: string, reply: FastifyReply): Promise<Claimed | undefined> {
    const lease = this.settings.timeouts.heartbeat_timeout;
    const request = { claim_id, max_jobs: 1, wait_seconds: 0 };
    this.deliveries.begin(claim_id, reply.raw);
    try {
      const [row] = await this.handingOut.take(node_id, request, new Connection(reply), lease);
      if (row) return { row, claim_id };
    } catch (error) {
      this.deliveries.drop(claim_id);
      throw error;
    }
    this.deliveries.drop(claim_id);
    return undefined;
  }

  private async takeBack(node_id: string, { row, claim_id }: Claimed): Promise<void> {
    this.deliveries.drop(claim_id);
    await this.handingOut.takeBack(node_id, claim_id, [row]);
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
