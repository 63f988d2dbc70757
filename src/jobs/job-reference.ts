import { notFound } from '../protocol/problem.js';

/** How a client names a job: by id, or by its number where the whole string is digits. */
export type JobReference = { readonly id: string } | { readonly sequence_number: number };

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
// ffmpeg-rtmp read `3ac5…` as job 3: 62 % of all UUIDs begin with a digit.
const NUMBER = /^[0-9]{1,15}$/;

/** 404 for what can name no job. */
export function parseJobReference(text: string): JobReference {
  if (UUID.test(text)) return { id: text.toLowerCase() };
  if (NUMBER.test(text)) return { sequence_number: Number(text) };
  throw jobNotFound();
}

export function jobNotFound() {
  return notFound('There is no such job. Give a job id or a sequence number, as `jobs list` shows them.');
}
