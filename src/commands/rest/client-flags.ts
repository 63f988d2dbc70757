/** The flags that every command of the client has, and what they are turned into. */
import { type Command, Option } from 'commander';
import { type ConnectionFlags, resolveConnection } from './connection.js';
import { RestClient } from './rest-client.js';

export type { ConnectionFlags } from './connection.js';

export interface ClientFlags extends ConnectionFlags {
  readonly output: 'table' | 'json';
}

export function addConnectionFlags(command: Command): Command {
  return addTlsFlags(
    command
      .option(
        '--master <urls>',
        'where the masters are, comma separated (MASTER_URL; default http://127.0.0.1:8080)',
      )
      .option(
        '--key-file <file>',
        'a file that holds the API key (else MASTER_API_KEY, else the local `up`)',
      ),
  );
}

export function addTlsFlags(command: Command): Command {
  return command
    .option('--ca <file>', 'authorities to trust besides the usual ones, in PEM (MASTER_CA_FILE)')
    .option('--cert <file>', 'the certificate of this client, in PEM (MASTER_CERT_FILE)')
    .option('--key <file>', 'its private key, in PEM (MASTER_KEY_FILE)');
}

export function addClientFlags(command: Command): Command {
  return addConnectionFlags(command).addOption(
    new Option('--output <form>', 'how to print').choices(['table', 'json']).default('table'),
  );
}

/** Runs `work` with a client, and closes it. */
export async function withClient<T>(
  flags: ConnectionFlags,
  work: (client: RestClient) => Promise<T>,
): Promise<T> {
  const client = new RestClient(resolveConnection(flags));
  try {
    return await work(client);
  } finally {
    await client.close();
  }
}

/** Exactly what the API answered. */
export function printJson(answer: unknown): void {
  process.stdout.write(`${JSON.stringify(answer, null, 2)}\n`);
}
