/**
 * One port for HTTPS and for the plain `GET /health` of probes that know no TLS (the guide's curl, load
 * balancers, Kubernetes without a client certificate).
 *
 *     accept ─▶ first byte ─┬─ 0x16 ─▶ TLS handshake ─┐
 *                           └─ other ─────────────────┴─▶ Node's HTTP ─▶ plain? only GET /health ─▶ Fastify
 *
 * Both kinds end in the same HTTP server, so that keep-alive, pipelining, the time limits of headers, the
 * count of open requests and closing are one and the same for both.
 */
import type { RequestListener } from 'node:http';
import { Server } from 'node:https';
import type { Socket } from 'node:net';
import type { FastifyHttpOptions, FastifyServerOptions } from 'fastify';
import type { Milliseconds } from '../../config/durations.js';
import { type Certificate, secureContextOf } from './certificate.js';
import { onlyHealthInPlain } from './plain-health.js';
import { ProtocolSniffer, type SnifferLimits } from './protocol-sniffer.js';

export interface TlsLimits extends SnifferLimits {
  /** From the first byte to the end of the handshake. */
  readonly handshakeTimeout: Milliseconds;
  /** How often connections are looked through for requests that take too long to arrive; default 30 s. */
  readonly checkEvery?: Milliseconds;
}

/** A handshake costs about 1 ms of CPU, so even 10,000 workers that come back at once are through in 10 s. */
const LIMITS: TlsLimits = { firstByteTimeout: 10_000, silentConnections: 4_096, handshakeTimeout: 20_000 };

export class TlsServer extends Server {
  readonly #sniffer: ProtocolSniffer;
  readonly #open = new Set<Socket>();
  /** Node's own start of the handshake. */
  readonly #decrypt: ((socket: Socket) => void)[];

  constructor(answer: RequestListener, certificate: Certificate, limits: TlsLimits = LIMITS) {
    super(
      {
        ...secureContextOf(certificate),
        ALPNProtocols: ['http/1.1'],
        handshakeTimeout: limits.handshakeTimeout,
        connectionsCheckingInterval: limits.checkEvery,
        // As over plain HTTP: refused in words, by api/http/broken-request.ts.
        requireHostHeader: false,
        requestCert: certificate.clientAuthorities !== undefined,
        rejectUnauthorized: true,
        // As Node's plain server does: small answers would else wait 40 ms for the client's ACK.
        noDelay: true,
      },
      onlyHealthInPlain(answer),
    );
    this.#sniffer = new ProtocolSniffer(limits);
    this.#decrypt = this.listeners('connection') as ((socket: Socket) => void)[];
    this.removeAllListeners('connection').on('connection', (socket) => this.#accept(socket as Socket));
  }

  /** Those too that have not said a byte or finished their handshake, which Node would wait for. */
  override closeAllConnections(): void {
    super.closeAllConnections();
    for (const socket of this.#open) socket.destroy();
  }

  override closeIdleConnections(): void {
    super.closeIdleConnections();
    this.#sniffer.dropSilent();
  }

  #accept(socket: Socket): void {
    this.#open.add(socket);
    socket.once('close', () => this.#open.delete(socket));
    this.#sniffer.sniff(socket, (protocol) => {
      if (protocol === 'tls') for (const decrypt of this.#decrypt) decrypt.call(this, socket);
      // The event on which Node's HTTPS begins to read HTTP; it takes any stream.
      else this.emit('secureConnection', socket);
    });
  }
}

/** The `serverFactory` of Fastify, which leaves its time limits to the factory. */
export function tlsServerFactory(
  certificate: Certificate,
): (answer: RequestListener, options: FastifyServerOptions | FastifyHttpOptions<Server>) => Server {
  return (answer, options) => {
    const { keepAliveTimeout, requestTimeout, http } = options as FastifyHttpOptions<Server>;
    const checkEvery = http?.connectionsCheckingInterval;
    const server = new TlsServer(answer, certificate, { ...LIMITS, ...(checkEvery && { checkEvery }) });
    if (keepAliveTimeout !== undefined) server.keepAliveTimeout = keepAliveTimeout;
    if (requestTimeout !== undefined) server.requestTimeout = requestTimeout;
    if (http?.headersTimeout !== undefined) server.headersTimeout = http.headersTimeout;
    return server;
  };
}
