/**
 * A TCP proxy in front of PostgreSQL, to have one come up late, or to have it look like a connection
 * pooler: that one changes the pid in BackendKeyData, the message that ends a start-up. Seen from a client
 * this pid is all that tells a pooler from a server.
 */
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

export interface PostgresProxy {
  /** The given dsn, through the proxy. */
  readonly dsn: string;
  close(): Promise<void>;
}

export interface ProxyOptions {
  /** Default: any free one. */
  readonly port?: number;
  readonly likePooler?: boolean;
}

/** @param dsn of the server behind it */
export async function startPostgresProxy(dsn: string, options: ProxyOptions = {}): Promise<PostgresProxy> {
  const { hostname, port } = new URL(dsn);
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connect(Number(port), hostname);
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        sockets.delete(socket);
        client.destroy();
        upstream.destroy();
      });
    }
    client.pipe(upstream);
    if (options.likePooler === true) {
      upstream.on(
        'data',
        changePid((bytes) => client.write(bytes)),
      );
    } else {
      upstream.pipe(client);
    }
  });
  await new Promise<void>((resolve) => server.listen(options.port ?? 0, '127.0.0.1', resolve));
  const through = new URL(dsn);
  through.port = String((server.address() as AddressInfo).port);
  return {
    dsn: through.toString(),
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Each message of the server is a type byte and a length that counts itself; 'K' carries pid and key. */
function changePid(forward: (bytes: Buffer) => void): (bytes: Buffer) => void {
  let rest = Buffer.alloc(0);
  return (bytes) => {
    rest = Buffer.concat([rest, bytes]);
    for (;;) {
      if (rest.length < 5) return;
      const length = 1 + rest.readInt32BE(1);
      if (rest.length < length) return;
      const message = Buffer.from(rest.subarray(0, length));
      if (message.toString('latin1', 0, 1) === 'K') message.writeInt32BE(message.readInt32BE(5) + 1, 5);
      forward(message);
      rest = rest.subarray(length);
    }
  };
}
