/** Leaves notifications out of what PostgreSQL says to a client, and nothing else: its messages stay whole. */

const NOTIFICATION = 'A'.charCodeAt(0);

export class NotificationFilter {
  private rest: Buffer = Buffer.alloc(0);

  constructor(
    private readonly drops: () => boolean,
    private readonly onDropped: () => void,
  ) {}

  /** Each message is a type byte and a length that counts itself. The answer to a request for TLS is one byte. */
  filter(bytes: Buffer): Buffer {
    const all = Buffer.concat([this.rest, bytes]);
    const kept: Buffer[] = [];
    let at = 0;
    while (all.length - at >= 5) {
      const end = at + 1 + all.readInt32BE(at + 1);
      if (end > all.length) break;
      if (all[at] === NOTIFICATION && this.drops()) this.onDropped();
      else kept.push(all.subarray(at, end));
      at = end;
    }
    this.rest = all.subarray(at);
    return Buffer.concat(kept);
  }
}
