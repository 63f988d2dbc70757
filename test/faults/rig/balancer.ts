/** A real HAProxy before the masters, by the configuration that is delivered, but each request to the next one. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'vitest';
import { call } from '../../e2e/support/api.js';
import { freePort } from '../../support/free-port.js';
import { eventually } from '../../support/eventually.js';
import type { Master } from './master.js';

const DELIVERED = join(import.meta.dirname, '../../../deploy/haproxy/haproxy.cfg');

export function hasHaproxy(): boolean {
  return spawnSync('haproxy', ['-v'], { stdio: 'ignore' }).error === undefined;
}

export class Balancer {
  private constructor(
    readonly url: string,
    private readonly child: ChildProcess,
  ) {}

  /** @param directory for its configuration */
  static async start(masters: readonly Master[], directory: string): Promise<Balancer> {
    const port = await freePort();
    let config = (await readFile(DELIVERED, 'utf8'))
      .replace('bind :8080', `bind 127.0.0.1:${port}`)
      .replace('balance leastconn', 'balance roundrobin');
    masters.forEach(({ url }, n) => {
      const { host } = new URL(url);
      config = config.replace(new RegExp(`(server master-${n + 1}) .*`), `$1 ${host}`);
    });
    expect(config).toContain('balance roundrobin');
    const file = join(directory, 'haproxy.cfg');
    await writeFile(file, config);
    const child = spawn('haproxy', ['-db', '-f', file], { stdio: 'ignore' });
    const balancer = new Balancer(`http://127.0.0.1:${port}`, child);
    const answers = async () => expect((await call(`${balancer.url}/health/ready`)).status).toBe(200);
    await eventually(answers, { within: 20_000 });
    return balancer;
  }

  async stop(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const gone = once(this.child, 'exit');
    this.child.kill('SIGKILL');
    await gone;
  }
}
