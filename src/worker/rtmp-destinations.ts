/**
 * Where the operator lets streams go: `worker.rtmp_hosts`. An entry is a host, a host and a port, or an
 * address with or without one. A name alone covers RTMP's own port on public addresses only: whoever
 * rules the name's DNS could else point jobs at the services of this machine, its network or its cloud.
 */

import { BlockList, isIP } from 'node:net';

export const RTMP_PORT = 1935;

export interface Destination {
  /** As the job names it, without the brackets of IPv6. */
  host: string;
  port: number;
}

/** Whether an entry names this host at this port. */
export function isListed(entries: readonly string[], { host, port }: Destination): boolean {
  return entries
    .map(readEntry)
    .some((entry) => isSame(entry.host, host) && (entry.port ?? RTMP_PORT) === port);
}

/** Whether this very address, found for a listed destination, may be sent to. */
export function mayReach(entries: readonly string[], { host, port }: Destination, address: string): boolean {
  if (!isInternal(address)) return true;
  return entries
    .map(readEntry)
    .some((entry) =>
      isSame(entry.host, address)
        ? (entry.port ?? RTMP_PORT) === port
        : isSame(entry.host, host) && entry.port === port,
    );
}

interface Entry {
  host: string;
  port?: number;
}

function readEntry(written: string): Entry {
  if (isIP(written) !== 0) return { host: written };
  const [, host = written, port] = /^(.*?)(?::(\d{1,5}))?$/.exec(written) ?? [];
  return { host: withoutBrackets(host), ...(port !== undefined && { port: Number(port) }) };
}

export function withoutBrackets(host: string): string {
  return host.replace(/^\[(.*)\]$/, '$1');
}

function isSame(one: string, other: string): boolean {
  return one.toLowerCase() === other.toLowerCase();
}

const INTERNAL = new BlockList();
for (const [network, prefix] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['224.0.0.0', 3],
] as const) {
  INTERNAL.addSubnet(network, prefix, 'ipv4');
}
for (const [network, prefix] of [
  // Unspecified, loopback, and the old form that holds an IPv4 address.
  ['::', 96],
  // Gateways to IPv4, internal addresses among it.
  ['64:ff9b::', 96],
  ['2002::', 16],
  ['fc00::', 7],
  ['fe80::', 10],
  ['ff00::', 8],
] as const) {
  INTERNAL.addSubnet(network, prefix, 'ipv6');
}

/** Loopback, private, link-local (where clouds serve their metadata) and multicast. */
export function isInternal(address: string): boolean {
  const plain = address.split('%')[0] ?? '';
  return INTERNAL.check(plain, isIP(plain) === 6 ? 'ipv6' : 'ipv4');
}
