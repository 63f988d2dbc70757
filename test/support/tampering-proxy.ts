/**
 * A TCP proxy in front of PostgreSQL that changes the pid in BackendKeyData, the message that ends a
 * start-up: seen from the client this is all that tells a connection pooler from a server.
 */
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

export interface TamperingProxy {
  readonly port: number;
  close(): Promise<void>;
}

/** @param target of the server behind it */
export async function startTamperingProxy(target: { host: string; port: number }): Promise<TamperingProxy> {
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connect(target.port, target.host);
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
    upstream.on(
      'data',
      changePid((bytes) => client.write(bytes)),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
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
