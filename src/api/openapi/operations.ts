/** What each route is for, in words: one entry a route, and a spec that none is missing or left over. */

export interface Operation {
  /** The group it is shown under. */
  tag: 'jobs' | 'events' | 'nodes' | 'workers' | 'queues' | 'keys' | 'cluster' | 'health' | 'docs';
  summary: string;
  /**
   * Name of a schema, or a media type for an answer that is no JSON; several where the request decides; null
   * for none.
   */
  answer: string | readonly string[] | null;
  /** Answers beside the usual one: schema or null, by status. */
  also?: Readonly<Record<number, string | null>>;
  /** Of the body. */
  example?: object;
}

const JOB = {
  scenario: '1080p-h264',
  parameters: { input: '/media/in/clip.mp4', output: 'clip-1080p.mp4' },
  queue: 'default',
  priority: 'high',
  tags: ['evening-news'],
};
const TOKEN = { job_id: '01998877-0000-7000-8000-000000000001', lease_token: 4711 };
const CLAIM = { claim_id: '0b5e7c1e-9a53-4c8e-8e0e-6a8f3f0f2d11', max_jobs: 2 };

export const OPERATIONS: Readonly<Record<string, Operation>> = {
  'POST /api/v1/jobs': { tag: 'jobs', summary: 'Submit a job', answer: 'Job', example: JOB },
  'POST /api/v1/jobs/batch': {
    tag: 'jobs',
    summary: 'Submit up to 1,000 jobs, all or nothing',
    answer: 'Jobs',
    example: { jobs: [JOB] },
  },
  'GET /api/v1/jobs': { tag: 'jobs', summary: 'List jobs, the newest first', answer: 'JobPage' },
  'GET /api/v1/jobs/{reference}': {
    tag: 'jobs',
    summary: 'Read a job by id or sequence number',
    answer: 'Job',
  },
  'POST /api/v1/jobs/{reference}/cancel': { tag: 'jobs', summary: 'End a job at once', answer: 'Job' },
  'POST /api/v1/jobs/{reference}/pause': {
    tag: 'jobs',
    summary: 'Pause a live job: a queued one is not claimed, a running ffmpeg is stopped',
    answer: 'Job',
  },
  'POST /api/v1/jobs/{reference}/resume': { tag: 'jobs', summary: 'Let a paused job go on', answer: 'Job' },
  'POST /api/v1/jobs/{reference}/retry': {
    tag: 'jobs',
    summary: 'Queue a job that failed or was canceled once more',
    answer: 'Job',
  },
  'GET /api/v1/jobs/{reference}/events': {
    tag: 'events',
    summary: "Read a job's event log; a stream with `follow=true` or `Accept: text/event-stream`",
    answer: ['JobEventPage', 'text/event-stream'],
    also: { 204: null },
  },
  'GET /api/v1/jobs/{reference}/logs': {
    tag: 'jobs',
    summary: "Read a job's log; with `follow=true` until the job has ended",
    answer: 'text/plain',
  },
  'POST /api/v1/jobs/{reference}/logs': {
    tag: 'workers',
    summary: 'Add a chunk to the log of an attempt',
    answer: 'LogAnswer',
    example: { lease_token: 4711, offset: 0, text: 'frame= 120 fps= 60\n' },
  },
  'GET /api/v1/events': {
    tag: 'events',
    summary: 'Stream what happens to jobs as server-sent events; `Last-Event-ID` resumes without a gap',
    answer: 'text/event-stream',
  },
  'POST /api/v1/nodes': {
    tag: 'workers',
    summary: 'Register a worker; 200 where its node is known',
    answer: 'RegisteredNode',
    also: { 200: 'RegisteredNode' },
    example: {
      name: 'encoder-1',
      instance_id: '5a3e8f04-6a53-4a7a-9d3c-0f1f6a5a7c21',
      slots: 4,
      cpu_threads: 16,
      cpu_model: 'AMD EPYC 9124',
      ram_total_bytes: 68_719_476_736,
      gpus: [{ name: 'NVIDIA L4', memory_bytes: 24_159_191_040 }],
      encoders: ['libx264', 'h264_nvenc'],
      engines: ['ffmpeg'],
      ffmpeg_version: '7.1',
      labels: { zone: 'a' },
    },
  },
  'GET /api/v1/nodes': { tag: 'nodes', summary: 'List worker machines', answer: 'NodePage' },
  'GET /api/v1/nodes/{id}': { tag: 'nodes', summary: 'Read a node', answer: 'Node' },
  'DELETE /api/v1/nodes/{id}': { tag: 'nodes', summary: 'Remove a node that runs nothing', answer: null },
  'POST /api/v1/nodes/{id}/drain': { tag: 'nodes', summary: 'Give a node no further jobs', answer: 'Node' },
  'POST /api/v1/nodes/{id}/resume': {
    tag: 'nodes',
    summary: 'Give a drained node jobs again',
    answer: 'Node',
  },
  'POST /api/v1/nodes/{id}/claim': {
    tag: 'workers',
    summary: 'Claim jobs, waiting for them up to `wait_seconds`',
    answer: 'ClaimAnswer',
    example: { ...CLAIM, wait_seconds: 30 },
  },
  'POST /api/v1/nodes/{id}/heartbeat': {
    tag: 'workers',
    summary: 'Extend leases and tell progress; hear of cancel, pause and drain',
    answer: 'HeartbeatAnswer',
    example: {
      attempts: [{ ...TOKEN, started: true, progress: 41.5, fps: 120, speed: 4.1 }],
      cpu_load_percent: 87,
    },
  },
  'POST /api/v1/nodes/{id}/report': {
    tag: 'workers',
    summary: 'Report how attempts ended, and claim the next ones',
    answer: 'ReportAnswer',
    example: {
      results: [{ ...TOKEN, status: 'completed', result: { output: 'clip-1080p.mp4' } }],
      claim: CLAIM,
    },
  },
  'GET /api/v1/queues': { tag: 'queues', summary: 'List queues: depth, age, running', answer: 'QueuePage' },
  'POST /api/v1/queues/{name}/pause': {
    tag: 'queues',
    summary: 'Claim no further jobs of a queue',
    answer: 'Queue',
  },
  'POST /api/v1/queues/{name}/resume': {
    tag: 'queues',
    summary: 'Claim jobs of a queue again',
    answer: 'Queue',
  },
  'POST /api/v1/keys': {
    tag: 'keys',
    summary: 'Make an API key; this answer alone shows it',
    answer: 'MintedApiKey',
    example: { name: 'ci', role: 'developer', expires_at: '2030-01-01T00:00:00Z' },
  },
  'GET /api/v1/keys': { tag: 'keys', summary: 'List API keys', answer: 'ApiKeyPage' },
  'GET /api/v1/keys/{id}': {
    tag: 'keys',
    summary: 'Read an API key, but for the key itself',
    answer: 'ApiKey',
  },
  'DELETE /api/v1/keys/{id}': { tag: 'keys', summary: 'Revoke an API key, at all masters', answer: 'ApiKey' },
  'POST /api/v1/keys/{id}/rotate': {
    tag: 'keys',
    summary: 'Make a key that takes the place of another; the old one works on for a while',
    answer: 'MintedApiKey',
    example: { overlap_seconds: 3600 },
  },
  'GET /api/v1/cluster': {
    tag: 'cluster',
    summary: 'List the masters, and which one leads',
    answer: 'Cluster',
  },
  'POST /api/v1/cluster/resign': {
    tag: 'cluster',
    summary: 'Make this master give leadership up',
    answer: 'Resigned',
  },
  'GET /health': { tag: 'health', summary: '200 while the process lives', answer: 'Health' },
  'GET /health/live': { tag: 'health', summary: '200 while the process lives; asks nobody', answer: 'Live' },
  'GET /health/ready': {
    tag: 'health',
    summary: '200 where requests can be served; 503 names what is missing',
    answer: 'Readiness',
    also: { 503: 'Readiness' },
  },
  'GET /health/leader': {
    tag: 'health',
    summary: '200 on the leader alone',
    answer: 'Leader',
    also: { 503: 'Leader' },
  },
  'GET /api/v1/openapi.json': { tag: 'docs', summary: 'This description', answer: 'application/json' },
  'GET /docs': { tag: 'docs', summary: 'A page to read this description', answer: 'text/html' },
  'GET /docs/{file}': {
    tag: 'docs',
    summary: 'What that page is made of',
    answer: ['text/html', 'text/css', 'text/javascript'],
  },
};
