import { Injectable } from '@nestjs/common';
import { LaneDirectory } from '../jobs/lane-directory.js';
import type { Lane } from '../jobs/lanes.repository.js';
import { ParkedWorkers, type KeptClaim } from '../jobs/parked-workers.js';
import type { HandedJob, NewJob } from '../jobs/submit.repository.js';
import { instantText } from '../protocol/instant-text.js';
import type { AttemptRow } from './claim.repository.js';
import { ClaimsService } from './claims.service.js';
import { LaneFit } from './lane-fit.js';
import { LaneWatch } from './lane-watch.js';
import { ParkedClaims, type ParkedGroup } from './parked-claims.js';
import { QueueDirectory } from './queue-directory.js';
import { planSlots } from './slot-planner.js';
import type { WaitingClaim } from './waiting-claim.js';

/**
 * Gives a submit the worker that has waited longest here and may run its job. Only while this master knows of
 * no waiting job and no cap concerns the queue; the statement looks at both again.
 */
@Injectable()
export class HandOver extends ParkedWorkers {
  constructor(
    private readonly parked: ParkedClaims,
    private readonly claims: ClaimsService,
    private readonly watch: LaneWatch,
    private readonly lanes: LaneDirectory,
    private readonly queues: QueueDirectory,
    private readonly fit: LaneFit,
  ) {
    super();
  }

  keep(lane: Lane): KeptClaim | undefined {
    const { paused, max_running } = this.queues.get(lane.queue);
    if (this.parked.size === 0 || paused || max_running !== null || !this.watch.isQuiet) return undefined;
    const fits = (one: Lane, { node }: ParkedGroup) => this.fit.fits(one, node);
    const [first] = planSlots<WaitingClaim, ParkedGroup>(this.parked.groups(), [{ lane, expected: 1 }], fits);
    const claim = first?.claim;
    // Of one that never rode nobody knows whether it was answered before.
    if (!claim || !claim.patient || this.parked.fresh.has(claim)) return undefined;
    claim.riding = true;
    return {
      node_id: claim.node.id,
      claim_id: claim.claim_id,
      give: (job, handed) => this.claims.give(claim, attemptOf(job, handed)),
      release: () => this.claims.resume(claim),
      losesTrack: () => {
        this.parked.fresh.add(claim);
        this.claims.resume(claim);
      },
    };
  }

  hungerFor(lane_id: number, most: number): number {
    const lane = this.lanes.peek(lane_id);
    if (!lane) return 0;
    let hunger = 0;
    for (const { node, claims } of this.parked.groups()) {
      if (!this.fit.fits(lane, node)) continue;
      for (const { wanted } of claims) if ((hunger += wanted) >= most) return most;
    }
    return hunger;
  }
}

function attemptOf(job: NewJob, handed: HandedJob): AttemptRow {
  return {
    id: job.id,
    sequence_number: handed.sequence_number,
    scenario: job.scenario,
    parameters: job.parameters as AttemptRow['parameters'],
    queue: job.queue,
    priority: job.priority,
    engine: job.engine,
    attempt: handed.attempt,
    timeout_seconds: job.timeout_seconds,
    created_at: instantText(handed.created_at),
    lease_token: handed.lease_token ?? 0,
    lane_id: job.lane_id,
    position: handed.position,
  };
}
