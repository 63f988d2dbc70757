/** Priorities of a job, best first. */
export const PRIORITIES = ['high', 'medium', 'low'] as const;
export type Priority = (typeof PRIORITIES)[number];

/** A queue's name: any word; `live`, `default` and `batch` have ranks of their own. */
export const QUEUE_NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$/;

export const ENGINES = ['auto', 'ffmpeg', 'gstreamer'] as const;
export type Engine = (typeof ENGINES)[number];

export const CLASSIFICATIONS = ['production', 'test', 'benchmark', 'debug'] as const;
export const CONFIDENCES = ['auto', 'high', 'medium', 'low'] as const;
