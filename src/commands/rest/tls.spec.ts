/** Masters that speak TLS, as real servers, and what our clients make of them. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer as createPlainServer, type Server as PlainServer } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createAuthority, type Issued } from '../../../test/support/certificates.js';
import { MasterClient } from '../../worker/master-client.js';
import { Misuse } from '../failures.js';
import { resolveConnection, type ConnectionFlags } from './connection.js';
import { RestClient } from './rest-client.js';

const directory = mkdtempSync(join(tmpdir(), 'client-tls-'));
const servers: (Server | PlainServer)[] = [];
const clients: { close(): Promise<void> }[] = [];
let authority: Issued;
let selfSigned: Issued;
let worker: Issued;

beforeAll(async () => {
  authority = await createAuthority('authority');
  selfSigned = await createAuthority('self-signed');
  worker = await authority.issue('worker');
  file('ca.pem', authority.certificate);
  file('self-signed.pem', selfSigned.certificate);
  file('worker.pem', worker.certificate);
  file('worker.key', worker.key);
  file('no.pem', 'this is no certificate');
});

afterAll(async () => {
  await Promise.all(clients.map((client) => client.close()));
  for (const server of servers) {
    server.closeAllConnections();
    server.close();
  }
  rmSync(directory, { recursive: true });
});

function path(name: string): string {
  return join(directory, name);
}

function file(name: string, text: string): void {
  writeFileSync(path(name), text);
}

async function master({ certificate, key }: Issued, clientCa?: string): Promise<string> {
  const server = createServer(
    { cert: certificate, key, ...(clientCa !== undefined && { ca: clientCa, requestCert: true }) },
    (_, response) => response.end('{"ok":true}'),
  );
  return `https://localhost:${await portOf(server)}`;
}

async function portOf(server: Server | PlainServer): Promise<number> {
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

/** The answer of a master to both kinds of client, by the same flags. */
async function ask(
  url: string,
  flags: ConnectionFlags = {},
  env: NodeJS.ProcessEnv = {},
): Promise<unknown[]> {
  const connection = resolveConnection({ master: url, ...flags }, env, undefined);
  const rest = new RestClient(connection);
  const workers = new MasterClient(connection.masters, undefined, connection.tls);
  clients.push(rest, workers);
  return Promise.allSettled([rest.get('/jobs'), workers.ask('/nodes', {}, { timeoutMs: 5000 })]).then(
    (outcomes) =>
      outcomes.map((outcome) => (outcome.status === 'fulfilled' ? outcome.value : String(outcome.reason))),
  );
}

const OK = [{ ok: true }, { ok: true }];

describe('a master with a certificate', () => {
  it('of an authority that was named is believed, by flag or environment', async () => {
    const url = await master(await authority.issue('master'));
    expect(await ask(url, { ca: path('ca.pem') })).toEqual(OK);
    expect(await ask(url, {}, { MASTER_CA_FILE: path('ca.pem') })).toEqual(OK);
  });

  it('that signs itself is believed once that certificate is named', async () => {
    expect(await ask(await master(selfSigned), { ca: path('self-signed.pem') })).toEqual(OK);
  });

  it.each([
    ['that signs itself', () => selfSigned, /not trusted \(DEPTH_ZERO_SELF_SIGNED_CERT\); .*--ca/],
    ['of an unknown authority', () => worker, /not trusted \(UNABLE_TO_VERIFY_LEAF_SIGNATURE\); .*--ca/],
  ])('%s is refused, and told why', async (_, issued, reason) => {
    const url = await master(issued());
    const [rest, workers] = await ask(url);
    expect(rest).toMatch(reason);
    expect(rest).toContain(`no connection to the master at ${url}: its certificate is not trusted`);
    expect(workers).toMatch(reason);
  });

  it('is refused too where another authority was named', async () => {
    const url = await master(await authority.issue('master'));
    expect(await ask(url, { ca: path('self-signed.pem') })).toEqual([
      expect.stringContaining('name the file of its authority with --ca'),
      expect.stringContaining('name the file of its authority with --ca'),
    ]);
  });

  it('for another name, or that has expired, is refused as that', async () => {
    const url = (await master(await authority.issue('master'))).replace('localhost', '127.0.0.1');
    expect(await ask(url, { ca: path('ca.pem') })).toEqual([
      expect.stringMatching(/for another name \(ERR_TLS_CERT_ALTNAME_INVALID\)/),
      expect.stringMatching(/for another name \(ERR_TLS_CERT_ALTNAME_INVALID\)/),
    ]);
    const expired = await createAuthority('expired', -1);
    file('expired.pem', expired.certificate);
    expect(await ask(await master(expired), { ca: path('expired.pem') })).toEqual([
      expect.stringMatching(/not valid at this time \(CERT_HAS_EXPIRED\)/),
      expect.stringMatching(/not valid at this time \(CERT_HAS_EXPIRED\)/),
    ]);
  });
});

describe('a master that asks for a certificate', () => {
  it('gets that of --cert and --key', async () => {
    const url = await master(await authority.issue('master'), authority.certificate);
    const flags = { ca: path('ca.pem'), cert: path('worker.pem'), key: path('worker.key') };
    expect(await ask(url, flags)).toEqual(OK);
    expect(await ask(url, { ca: path('ca.pem') })).toEqual([
      expect.stringMatching(
        /closed the connection .*; if it asks clients for a certificate, .*--cert and --key/,
      ),
      expect.stringMatching(
        /closed the connection .*; if it asks clients for a certificate, .*--cert and --key/,
      ),
    ]);
  });
});

it('a master without TLS, asked with it, is named as one', async () => {
  const port = await portOf(createPlainServer((_, response) => response.end('{}')));
  expect(await ask(`https://localhost:${port}`)).toEqual([
    expect.stringMatching(/speaks no TLS .*; write http:/),
    expect.stringMatching(/speaks no TLS .*; write http:/),
  ]);
});

describe('files of certificates', () => {
  it.each<[string, ConnectionFlags, RegExp]>([
    ['must be readable', { ca: path('none.pem') }, /none\.pem of --ca cannot be read \(ENOENT\)/],
    ['must be certificates', { ca: path('no.pem') }, /no\.pem of --ca holds no certificate/],
    ['are a pair', { cert: path('worker.pem') }, /--cert and --key belong together/],
    [
      'belong together',
      { cert: path('ca.pem'), key: path('worker.key') },
      /worker\.key does not go with the certificate in .*ca\.pem/,
    ],
  ])('%s', (_, flags, message) => {
    const resolve = () => resolveConnection({ master: 'https://localhost', ...flags }, {}, undefined);
    expect(resolve).toThrow(Misuse);
    expect(resolve).toThrow(message);
  });
});
