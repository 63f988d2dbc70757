/**
 * Which requests are spoken to as ffmpeg-rtmp's master spoke: those to any path outside of ours. Its routes lie at the
 * root, without a prefix, and so do its answers for paths that there are not.
 */
const OURS = /^\/(api|docs|health)(\/|$)/;

/** @param path of a request, or the pattern of its route */
export function isOldPath(path: string): boolean {
  return !OURS.test(path);
}

/** What a route says when it fails for no fault of its caller: `METHOD pattern`. */
export const FAILURES: Readonly<Record<string, string>> = {
  'POST /nodes/register': 'Failed to register node',
  'GET /nodes': 'Failed to get nodes',
  'GET /nodes/:id': 'Failed to get node',
  'DELETE /nodes/:id': 'Failed to remove node',
  'POST /nodes/:id/heartbeat': 'Failed to update heartbeat',
  'GET /jobs/next': 'Failed to get next job',
  'POST /jobs': 'Failed to create job',
  'GET /jobs': 'Failed to get jobs',
  'GET /jobs/:reference': 'Failed to get job',
  'GET /jobs/:reference/logs': 'Failed to get job',
  'POST /jobs/:reference/pause': 'Failed to pause job',
  'POST /jobs/:reference/resume': 'Failed to resume job',
  'POST /jobs/:reference/cancel': 'Failed to cancel job',
  'POST /jobs/:reference/retry': 'Failed to retry job',
  'POST /results': 'Failed to update job status',
};
