/** Why an attempt failed: ffmpeg-rtmp's list, so that its dashboards keep their meaning. */
export const FAILURE_REASONS = [
  'capability_mismatch',
  'runtime_error',
  'timeout',
  'user_error',
  'network_error',
  'input_error',
  'platform_error',
  'resource_error',
] as const;

export type FailureReason = (typeof FAILURE_REASONS)[number];

/**
 * Reasons that another attempt cannot mend: the same input and the same parameters give the same
 * failure, so a retry would only delay the answer by the whole backoff.
 */
export const PERMANENT_FAILURE_REASONS: readonly FailureReason[] = [
  'user_error',
  'input_error',
  'capability_mismatch',
];
