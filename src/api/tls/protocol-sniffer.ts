import type { Socket } from 'node:net';
import type { Milliseconds } from '../../config/durations.js';

export type Protocol = 'tls' | 'plain';

export interface SnifferLimits {
  /** How long a connection may say nothing. */
  readonly firstByteTimeout: Milliseconds;
  /** How many connections may say nothing at a time. */
  readonly silentConnections: number;
}

/** The type of a TLS record that carries a handshake: what every TLS client says first, and no HTTP client. */
const HANDSHAKE = 0x16;

/**
 * Tells by the first byte of a connection what it speaks, and leaves that byte where it was. Connections
 * that say nothing are dropped: after the time limit, or, when there are too many, the oldest first, since
 * whoever wants something says so within a round trip.
 */
export class ProtocolSniffer {
  readonly #silent = new Set<Socket>();

  constructor(private readonly limits: SnifferLimits) {}

  /** Calls `found` once, unless the connection ends before its first byte. */
  sniff(socket: Socket, found: (protocol: Protocol) => void): void {
    const [oldest] = this.#silent;
    if (oldest && this.#silent.size >= this.limits.silentConnections) oldest.destroy();
    this.#silent.add(socket);

    const drop = () => socket.destroy();
    const timer = setTimeout(drop, this.limits.firstByteTimeout);
    const forget = () => {
      clearTimeout(timer);
      this.#silent.delete(socket);
      socket.off('readable', look).off('close', forget);
    };
    const look = () => {
      const first = socket.read(1) as Buffer | null;
      if (first === null) return;
      forget();
      socket.unshift(first);
      found(first[0] === HANDSHAKE ? 'tls' : 'plain');
    };
    // Stays on: a reset may come at any time, and an error that nobody hears ends the process.
    socket.on('error', drop);
    socket.on('readable', look).on('close', forget);
  }

  dropSilent(): void {
    for (const socket of this.#silent) socket.destroy();
  }
}
