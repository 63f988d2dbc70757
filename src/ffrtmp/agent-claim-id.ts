/**
 * Ids of the claims that are made for agents of ffmpeg-rtmp, which send none: UUIDs of version 8, whose last 32 bits tell
 * the address that asked. So an attempt says by itself that it was handed out by `/jobs/next`, and to whom.
 *
 *     rrrrrrrr-rrrr-8rrr-vrrr-rrrraaaaaaaa      r random, v variant, a digest of the address
 */
import { createHash, randomBytes } from 'node:crypto';

export function newClaimId(address: string): string {
  const bytes = Buffer.concat([randomBytes(12), digestOf(address)]);
  bytes[6] = 0x80 | ((bytes[6] as number) & 0x0f);
  bytes[8] = 0x80 | ((bytes[8] as number) & 0x3f);
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

/** Whether it was made for an agent. Workers of ours send random ones, or such as begin with the time. */
export function isAgentsClaim(claim_id: string): boolean {
  return claim_id[14] === '8';
}

/** Whether it was made for the agent at this address. */
export function isClaimOf(claim_id: string, address: string): boolean {
  return isAgentsClaim(claim_id) && claim_id.endsWith(digestOf(address).toString('hex'));
}

/** An IPv4 address may come in the clothes of an IPv6 one, as the listener is bound. */
function digestOf(address: string): Buffer {
  return createHash('sha256')
    .update(address.replace(/^::ffff:(?=[0-9.]+$)/i, ''))
    .digest()
    .subarray(0, 4);
}
