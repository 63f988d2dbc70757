import { createServer } from 'node:net';

/** The ports above are the kernel's own: a client's connection could take one between the look and the use. */
const FIRST = 20_000;
const LAST = 32_000;

/** A port of loopback on which nobody listens now. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = FIRST + Math.floor(Math.random() * (LAST - FIRST));
    if (await canListen(port)) return port;
  }
}

function canListen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
