import { createHash } from 'node:crypto';

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/**
 * The id under which a row arrives: its own where that is a UUID, else one that is made of it, the same at each import.
 * @param kind keeps a node and a job of one id apart
 */
export function idOf(kind: 'job' | 'node', text: string): string {
  if (UUID.test(text)) return text.toLowerCase();
  const digest = createHash('sha256').update(`ffmpeg-rtmp ${kind} ${text}`).digest('hex');
  // Version 8: a UUID of somebody's own making.
  return `${digest.slice(0, 8)}-${digest.slice(8, 12)}-8${digest.slice(13, 16)}-a${digest.slice(17, 20)}-${digest.slice(20, 32)}`;
}
