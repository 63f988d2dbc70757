import { describe, expect, it } from 'vitest';
import type { NodeView } from '../../nodes/node-view.js';
import { nameOf, readRegistration, toOldNode } from './old-node.js';

/** As the real agent sends it. */
const SENT = {
  address: 'encoder-7',
  type: 'server',
  cpu_threads: 16,
  cpu_model: 'AMD EPYC',
  has_gpu: true,
  gpu_type: 'NVIDIA L4',
  ram_total_bytes: 68_719_476_736,
  labels: { os: 'linux', arch: 'amd64', node_type: 'server' },
};

const read = (body: unknown) => readRegistration(JSON.stringify(body));

describe('a registration', () => {
  it('becomes a node of ours', () => {
    const node = read(SENT);
    expect(node).toMatchObject({
      name: 'encoder-7',
      address: 'encoder-7',
      cpu_threads: 16,
      gpus: [{ name: 'NVIDIA L4' }],
      engines: ['auto'],
      labels: { ...SENT.labels, 'ffrtmp/type': 'server' },
    });
    expect(node.encoders).toEqual(expect.arrayContaining(['libx264', 'h264_nvenc', 'hevc_qsv']));
  });

  it('without a GPU has software encoders alone', () => {
    expect(read({ ...SENT, has_gpu: false })).toMatchObject({ gpus: [] });
    expect(read({ ...SENT, has_gpu: false }).encoders.filter((name) => name.includes('_'))).toEqual([]);
  });

  it('with listed capabilities has all encoders of their makers, and no others', () => {
    const { encoders } = read({ ...SENT, gpu_capabilities: ['h264_nvenc'] });
    expect(encoders).toContain('hevc_nvenc');
    expect(encoders).not.toContain('h264_qsv');
  });

  it('is taken empty, too', () => {
    expect(read({})).toMatchObject({
      name: 'unnamed',
      address: '',
      cpu_threads: 1,
      ram_total_bytes: 0,
      labels: {},
    });
  });

  it('keeps of its labels what a label may be', () => {
    const { labels } = read({ ...SENT, labels: { os: 'linux', 'a b': 'x', long: 'x'.repeat(200) } });
    expect(labels).toEqual({ 'ffrtmp/type': 'server', os: 'linux' });
  });

  it('never has the identity of another one', () => {
    expect(read(SENT).instance_id).not.toBe(read(SENT).instance_id);
  });

  it.each([
    ['encoder-7', 'encoder-7'],
    ['https://encoder-7:9091', 'encoder-7'],
    ['10.0.0.7:9091', '10.0.0.7'],
    ['fe80::1', 'fe80::1'],
    ['höst name', 'h-st-name'],
    ['', 'unnamed'],
    ['\0', 'unnamed'],
  ])('%j is named %s', (address, name) => {
    expect(nameOf(address)).toBe(name);
  });
});

describe('a node, as it is listed', () => {
  const view: NodeView = {
    ...read({ ...SENT, type: 'laptop' }),
    id: '0199d2c0-0000-7000-8000-000000000001',
    address: 'encoder-7',
    status: 'online',
    running: 0,
    queues: [],
    registered_at: '2026-01-07T00:00:00Z',
    seen_at: '2026-01-07T00:00:30Z',
    cpu_load_percent: null,
    ram_free_bytes: null,
  };

  it('has the fields of before, and nothing that is empty', () => {
    expect(toOldNode(view, undefined)).toEqual({
      id: view.id,
      name: 'encoder-7',
      address: 'encoder-7',
      type: 'laptop',
      cpu_threads: 16,
      cpu_model: 'AMD EPYC',
      has_gpu: true,
      gpu_type: 'NVIDIA L4',
      ram_total_bytes: 68_719_476_736,
      labels: SENT.labels,
      status: 'available',
      last_heartbeat: '2026-01-07T00:00:30Z',
      registered_at: '2026-01-07T00:00:00Z',
    });
  });

  it('tells what it was registered with', () => {
    const { type: _, ...untyped } = SENT;
    const { gpu_type: __, ...sent } = { ...untyped, gpu_capabilities: ['h264_nvenc', 'hevc_nvenc'] };
    const node = toOldNode({ ...view, ...read(sent) }, undefined);
    expect(node).toMatchObject({ type: 'server', gpu_capabilities: ['h264_nvenc', 'hevc_nvenc'] });
    expect(node).not.toHaveProperty('gpu_type');
  });

  it.each([
    ['online', undefined, 'available'],
    ['online', 'a job', 'busy'],
    ['draining', undefined, 'available'],
    ['offline', 'a job', 'offline'],
  ] as const)('%s with %s is %s', (status, job, expected) => {
    expect(toOldNode({ ...view, status }, job)).toMatchObject({
      status: expected,
      ...(job && { current_job_id: job }),
    });
  });
});
