/** A node as the agents of ffmpeg-rtmp register it, and as its clients read it. */
import { randomUUID } from 'node:crypto';
import type { NodeView } from '../../nodes/node-view.js';
import { isLabels, MAX_LABELS } from '../../protocol/labels.js';
import type { NodeRegistration } from '../../protocol/node-registration.js';
import { storableText } from '../../protocol/storable.js';
import { assumedEncoders } from './assumed-encoders.js';
import { readBody, type Kinds } from './lax-json.js';
import { omitZero } from './omit-zero.js';

const SHAPE = {
  address: 'string',
  type: 'string',
  cpu_threads: 'integer',
  cpu_model: 'string',
  has_gpu: 'boolean',
  gpu_type: 'string',
  gpu_capabilities: 'strings',
  ram_total_bytes: 'integer',
  labels: 'texts',
} as const;

/** What of a registration has no place in ours is kept as labels, which whoever looks at the node may read. */
const TYPE = 'ffrtmp/type';
const GPU_CAPABILITIES = 'ffrtmp/gpu_capabilities';
const UNNAMED_GPU = 'GPU';

/** The agent alone knows how much it can do at once: it asks when it can take one more. */
const SLOTS = 1024;

/** What an agent sent, or what a database of ffmpeg-rtmp kept of it. */
export type SentNode = { readonly [Name in keyof typeof SHAPE]?: Kinds[(typeof SHAPE)[Name]] };

/** Throws 400 where it is no JSON. */
export function readRegistration(body: string | undefined): NodeRegistration {
  return registrationOf(readBody(body, SHAPE));
}

export function registrationOf(sent: SentNode): NodeRegistration {
  const { has_gpu = false, gpu_capabilities = [] } = sent;
  const address = storableText(sent.address ?? '');
  return {
    name: nameOf(address),
    address,
    // It has no name for its process: another one of the same host gets a record of its own while the first is heard of.
    instance_id: randomUUID(),
    slots: SLOTS,
    cpu_threads: Math.min(Math.max(1, sent.cpu_threads ?? 1), 4096),
    cpu_model: storableText(sent.cpu_model ?? ''),
    ram_total_bytes: Math.min(Math.max(0, sent.ram_total_bytes ?? 0), Number.MAX_SAFE_INTEGER),
    gpus: has_gpu ? [{ name: storableText(sent.gpu_type ?? '') || UNNAMED_GPU }] : [],
    encoders: assumedEncoders(has_gpu, gpu_capabilities),
    // It picks the engine by itself, and runs either.
    engines: ['auto'],
    ffmpeg_version: '',
    labels: labelsOf({
      ...(sent.type !== undefined && { [TYPE]: sent.type }),
      ...(gpu_capabilities.length > 0 && { [GPU_CAPABILITIES]: gpu_capabilities.join(',') }),
      ...sent.labels,
    }),
  };
}

/** Those that may be kept, the first 32 of them. */
function labelsOf(sent: Readonly<Record<string, string>>): Record<string, string> {
  const kept = Object.entries(sent).filter(([key, value]) => isLabels({ [key]: value }));
  return Object.fromEntries(kept.slice(0, MAX_LABELS));
}

/** Its address without scheme and port, in characters that a name may have. */
export function nameOf(address: string): string {
  const bare = address.replace(/^[a-z]+:\/\//i, '').replace(/(?<!:[^:]*):\d+$/, '');
  const name = bare
    .replaceAll(/[^A-Za-z0-9_.:-]/g, '-')
    .replace(/^[^A-Za-z0-9]+/, '')
    .slice(0, 128);
  return name === '' ? 'unnamed' : name;
}

/** @param jobId of an attempt that it runs, if any; over there a node had one at most */
export function toOldNode(node: NodeView, jobId: string | undefined): object {
  const { [TYPE]: type = 'server', [GPU_CAPABILITIES]: capabilities = '', ...labels } = node.labels;
  const [gpu] = node.gpus;
  return {
    id: node.id,
    name: node.name,
    address: node.address,
    type,
    cpu_threads: node.cpu_threads,
    cpu_model: node.cpu_model,
    has_gpu: gpu !== undefined,
    ram_total_bytes: node.ram_total_bytes,
    status: node.status === 'offline' ? 'offline' : jobId === undefined ? 'available' : 'busy',
    last_heartbeat: node.seen_at,
    registered_at: node.registered_at,
    ...omitZero({
      cpu_load_percent: node.cpu_load_percent,
      gpu_type: gpu?.name === UNNAMED_GPU ? undefined : gpu?.name,
      gpu_capabilities: capabilities.split(',').filter((name) => name !== ''),
      ram_free_bytes: node.ram_free_bytes,
      labels,
      current_job_id: jobId,
    }),
  };
}
