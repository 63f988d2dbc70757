import type { Socket } from 'node:net';
import type pg from 'pg';

/** The socket of a client, to cut it: `end()` waits for a connection that is being made, and for a server's goodbye. */
export function socketOf(client: pg.ClientBase): Socket {
  return (client as unknown as { connection: { stream: Socket } }).connection.stream;
}
