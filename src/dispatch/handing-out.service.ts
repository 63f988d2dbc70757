import { Inject, Injectable } from '@nestjs/common';
import type { Milliseconds } from '../config/durations.js';
import { LOGGER, type Logger } from '../logging/logger.js';
import type { ClaimRequest, RidingClaim } from '../protocol/claim.js';
import type { AttemptRow } from './claim.repository.js';
import { ClaimsService } from './claims.service.js';
import type { Asker } from './waiting-claim.js';
import { ReportsService } from './reports.service.js';

/** A claim with the connection that its answer goes to. */
@Injectable()
export class HandingOut {
  constructor(
    private readonly claims: ClaimsService,
    private readonly reports: ReportsService,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  /** Claims, and hands back what the connection can no longer carry. @param lease other than the setting's */
  async take(
    node_id: string,
    request: ClaimRequest | RidingClaim,
    asker: Asker,
    lease?: Milliseconds,
  ): Promise<AttemptRow[]> {
    const attempts = await this.claims.claim(node_id, request, asker, lease);
    asker.onGone(() => void this.takeBack(node_id, request.claim_id, attempts));
    return attempts;
  }

  /** Of attempts that their worker cannot have heard of. Never fails. */
  async takeBack(node_id: string, claim_id: string, attempts: readonly AttemptRow[]): Promise<void> {
    await this.reports.takeBack(node_id, claim_id, attempts).catch((error: unknown) => {
      this.logger.warn({ err: error, node_id }, 'could not hand jobs back; their leases will run out');
    });
  }
}
