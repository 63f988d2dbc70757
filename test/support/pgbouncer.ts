/** A real PgBouncer in transaction mode, where the machine has one (Debian: `apt-get install pgbouncer`). */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from './free-port.js';

export interface PgBouncer {
  /** The given dsn, through the pooler. */
  readonly dsn: string;
  stop(): Promise<void>;
}

export function pgbouncerProgram(): string | undefined {
  const folders = [...(process.env.PATH ?? '').split(':'), '/usr/sbin', '/usr/local/sbin'];
  return folders.map((folder) => join(folder, 'pgbouncer')).find((file) => existsSync(file));
}

/**
 * In front of the server of `dsn`, with its role and password. When that is back, it asks again within a second: of
 * itself it would refuse everybody for 15 s after a refused login, seven times the bound for masters to be back.
 * @param poolSize connections to the server, for each of its databases
 */
export async function startPgBouncer(program: string, dsn: string, poolSize = 5): Promise<PgBouncer> {
  const url = new URL(dsn);
  const directory = await mkdtemp(join(tmpdir(), 'pgbouncer-'));
  await chmod(directory, 0o755);
  const port = await freePort();
  await writeFile(join(directory, 'users.txt'), `"${url.username}" "${decodeURIComponent(url.password)}"\n`);
  await writeFile(
    join(directory, 'pgbouncer.ini'),
    `[databases]
* = host=${url.hostname} port=${url.port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = plain
auth_file = ${join(directory, 'users.txt')}
pool_mode = transaction
max_client_conn = 2000
default_pool_size = ${poolSize}
server_idle_timeout = 30
server_login_retry = 1
`,
  );
  const asRoot = process.getuid?.() === 0;
  const child = spawn(program, [...(asRoot ? ['-u', 'nobody'] : []), join(directory, 'pgbouncer.ini')], {
    stdio: 'ignore',
  });
  const ended = new Promise((resolve) => child.once('exit', resolve));
  url.port = String(port);
  return {
    dsn: url.toString(),
    stop: async () => {
      child.kill('SIGTERM');
      await ended;
      await rm(directory, { recursive: true, force: true });
    },
  };
}
