/** Connections to the next of several masters in turn, and past one that does not answer: a load balancer of layer 4. */
import { createServer, connect, type AddressInfo, type Server, type Socket } from 'node:net';
import { once } from 'node:events';

export class TcpBalancer {
  private readonly sockets = new Set<Socket>();
  private turn = 0;

  private constructor(
    private readonly server: Server,
    private readonly ports: readonly number[],
  ) {}

  static async start(urls: readonly string[]): Promise<TcpBalancer> {
    const server = createServer();
    const balancer = new TcpBalancer(
      server,
      urls.map((url) => Number(new URL(url).port)),
    );
    server.on('connection', (client) => balancer.forward(client, balancer.ports.length));
    // A burst of a thousand connections at once; what a short queue drops comes again a second later.
    server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 });
    await once(server, 'listening');
    return balancer;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    this.server.close();
    await once(this.server, 'close');
  }

  private forward(client: Socket, masters: number): void {
    const port = this.ports[(this.turn += 1) % this.ports.length] ?? 0;
    const master = connect(port, '127.0.0.1');
    let connected = false;
    for (const socket of [client, master])
      this.sockets.add(socket.on('close', () => this.sockets.delete(socket)));
    client.on('error', () => undefined).on('close', () => master.destroy());
    master.on('error', () => {
      if (!connected && masters > 1) this.forward(client, masters - 1);
      else client.destroy();
    });
    master.on('connect', () => {
      connected = true;
      client.pipe(master).pipe(client);
      master.on('close', () => client.destroy());
    });
  }
}
