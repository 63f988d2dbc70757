/** Each guard of the real statements as a switch: a broken variant is the same model with one of them off. */
export interface Rules {
  /** A report names its attempt by the lease token. Off: by job and node alone. */
  readonly reportToken: boolean;
  /** So does a heartbeat. */
  readonly heartbeatToken: boolean;
  /** The claim's UPDATE asks again whether the job waits. Off: what it selected, it takes. */
  readonly stateRecheck: boolean;
  /** `leadership` is a logged table. Off: a crash of the server empties it. */
  readonly loggedEpoch: boolean;
  /** Lease tokens come from a sequence. Off: the token of an attempt is its job's retry count, from 1. */
  readonly tokenFromSequence: boolean;
  /** A claim id is answered with new attempts once. Off: a repeated claim takes another job. */
  readonly claimId: boolean;
  /** Statements of duties begin with the fence. Off: any late one is carried out. */
  readonly epochFence: boolean;
  /** The sweep looks at lease and job in the statement that writes. Off: it requeues what it saw when it decided. */
  readonly sweepRecheck: boolean;
  /** What a report's statement did not accept is looked up by a second one. Off: it is `stale`. */
  readonly secondLookUp: boolean;
}

export const REAL_RULES: Rules = {
  reportToken: true,
  heartbeatToken: true,
  stateRecheck: true,
  loggedEpoch: true,
  tokenFromSequence: true,
  claimId: true,
  epochFence: true,
  sweepRecheck: true,
  secondLookUp: true,
};

/** What makes the number of states finite. Faults and people's wishes are bounded, progress is not. */
export interface Bounds {
  readonly jobs: number;
  readonly workers: number;
  readonly masters: number;
  /** `max_retries` of each job. */
  readonly max_retries: number;
  /** Releases in a row before one counts as a failure: MAX_RELEASES of report.repository.ts, 20 there. */
  readonly max_releases: number;
  /** Claims between their SELECT and their UPDATE at once. */
  readonly claims_in_flight: number;
  /** Lock sessions cut, masters killed or resigning. */
  readonly leader_losses: number;
  /** Crashes of the database server. */
  readonly database_crashes: number;
  /** Workers that say nothing any more; what they said before may still arrive. */
  readonly worker_deaths: number;
  readonly cancels: number;
  readonly explicit_retries: number;
  /** Claims that their worker gives up without an answer, and that arrive all the same. */
  readonly abandoned_claims: number;
}

export interface Model {
  readonly rules: Rules;
  readonly bounds: Bounds;
}
