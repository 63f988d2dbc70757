import { createHash } from 'node:crypto';
import { impliedRequirements } from '../protocol/implied-requirements.js';
import type { JobParameters } from '../protocol/job-parameters.js';
import type { Requirements } from '../protocol/requirements.js';

/**
 * What a node must have for every job of a lane, in one canonical form: two jobs that ask for the same
 * stand in the same lane, however they wrote it. Absent members ask for nothing.
 */
export interface LaneRequirement {
  readonly gpus?: number;
  readonly encoders?: readonly string[];
  readonly labels?: Readonly<Record<string, string>>;
  readonly threads?: number;
  readonly engine?: string;
}

/** `parameters` are the effective ones, the scenario's included. */
export function laneRequirement(
  requirements: Requirements,
  parameters: JobParameters,
  engine: string,
): LaneRequirement {
  const implied = impliedRequirements(parameters);
  const gpus = Math.max(requirements.gpus ?? 0, requirements.gpu === true || implied.gpu ? 1 : 0);
  const encoders = [...new Set([...(requirements.encoders ?? []), ...implied.encoders])].sort();
  const labels = Object.entries(requirements.labels ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
  const threads = Math.max(requirements.threads ?? 0, parameters.threads ?? 0);
  return {
    ...(gpus > 0 && { gpus }),
    ...(encoders.length > 0 && { encoders }),
    ...(labels.length > 0 && { labels: Object.fromEntries(labels) }),
    ...(threads > 1 && { threads }),
    ...(engine !== 'auto' && { engine }),
  };
}

/** Names a requirement in the unique key of `lanes`. */
export function requirementHash(requirement: LaneRequirement): string {
  return createHash('sha256').update(JSON.stringify(requirement)).digest('base64url');
}
