/** Where a stream goes: a host that the operator listed, looked up once, so that the name checked is the address used. */

import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import type { JobParameters } from '../protocol/job-parameters.js';
import { AttemptFailure, cannotHonour } from './attempt-failure.js';
import { RTMP_PORT, isListed, mayReach, withoutBrackets } from './rtmp-destinations.js';

export interface RtmpTarget {
  /** With the address in place of the host, and the stream key: a secret. */
  url: string;
  /** With the host's name: what the server is told it was called by. */
  tcUrl: string;
  /** For reports and logs: without the key. */
  shown: string;
  secret?: string;
}

export async function rtmpTarget(
  parameters: JobParameters,
  { jobId, rtmpHosts, defaultHost }: { jobId: string; rtmpHosts: readonly string[]; defaultHost: string },
): Promise<RtmpTarget> {
  const asked =
    parameters.rtmp_url ?? `rtmp://${defaultHost}:1935/live${parameters.stream_key ? '' : `/${jobId}`}`;
  const { hostname, port, pathname } = new URL(asked);
  const destination = { host: withoutBrackets(hostname), port: Number(port || RTMP_PORT) };
  if (!isListed(rtmpHosts, destination)) {
    throw cannotHonour(
      'rtmp_url',
      rtmpHosts.length === 0
        ? 'this worker sends no RTMP; its operator would have to list the host in worker.rtmp_hosts'
        : `${hostname} at port ${destination.port} is not among what this worker may send to by worker.rtmp_hosts (${rtmpHosts.join(', ')})`,
    );
  }
  const path = pathname.split('/').filter((part) => part !== '');
  const playPath = [...path.slice(1), ...(parameters.stream_key ? [parameters.stream_key] : [])];
  if (playPath.length === 0)
    throw cannotHonour('stream_key', 'the stream has no name: give one, or put it into rtmp_url');
  const address = await addressOf(destination.host);
  if (!mayReach(rtmpHosts, destination, address)) {
    throw cannotHonour(
      'rtmp_url',
      `${hostname} has an internal address; to allow it, its operator would have to list ${hostname}:${destination.port} in worker.rtmp_hosts`,
    );
  }
  const app = path[0] ?? 'live';
  return {
    url: `rtmp://${isIP(address) === 6 ? `[${address}]` : address}:${destination.port}/${app}/${playPath.join('/')}`,
    tcUrl: `rtmp://${hostname}:${destination.port}/${app}`,
    shown: asked,
    ...(parameters.stream_key && { secret: parameters.stream_key }),
  };
}

async function addressOf(hostname: string): Promise<string> {
  try {
    return (await lookup(hostname)).address;
  } catch {
    throw new AttemptFailure('network_error', `the RTMP host ${hostname} has no address`);
  }
}
