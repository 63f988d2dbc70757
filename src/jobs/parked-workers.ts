import type { Lane } from './lanes.repository.js';
import type { HandedJob, NewJob } from './submit.repository.js';

/** A parked claim that is kept for one job of a submit, until it is told what became of that. */
export interface KeptClaim {
  readonly node_id: string;
  readonly claim_id: string;
  /** The job's attempt is this claim's: answers it. */
  give(job: NewJob, handed: HandedJob): void;
  /** The job waits, or was not made: the claim goes on waiting. */
  release(): void;
  /** Nobody knows what became of it: the claim goes on waiting, and first asks whether it was answered. */
  losesTrack(): void;
}

/**
 * What the floor above knows of workers that wait in this master: `dispatch` implements it, and a submit asks
 * whether one of them could take its job in the very statement that inserts it.
 */
export abstract class ParkedWorkers {
  /** A parked claim for a job of this lane; undefined where others come first or nobody fits. */
  abstract keep(lane: Lane): KeptClaim | undefined;

  /** How many jobs of this lane, at most `most`, claims that are parked here would take. */
  abstract hungerFor(lane_id: number, most: number): number;
}
