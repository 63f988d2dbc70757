/**
 * A network namespace with one wire to this machine, for what a proxy cannot show: a host that is gone. With the wire
 * down no packet and no reset goes either way, and both kernels go on believing in their connections.
 */
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import type { MasterOptions } from './master.js';

export class NetworkNamespace {
  private constructor(
    readonly name: string,
    private readonly wire: string,
    /** This machine, as seen from inside. */
    readonly outside: string,
    readonly inside: string,
    private readonly net: string,
  ) {}

  static create(): NetworkNamespace {
    const id = randomBytes(2).toString('hex');
    const [name, wire] = [`ffm-${id}`, `ffm${id}o`];
    const net = `10.${200 + Math.floor(Math.random() * 50)}.${Math.floor(Math.random() * 250)}`;
    const made = new NetworkNamespace(name, wire, `${net}.1`, `${net}.2`, `${net}.0/24`);
    ip('netns', 'add', name);
    try {
      // With the wire down its route is gone, and the default one would carry what is meant for it out of this machine.
      ip('route', 'add', 'blackhole', made.net, 'metric', '4096');
      ip('link', 'add', wire, 'type', 'veth', 'peer', 'name', `ffm${id}i`, 'netns', name);
      ip('addr', 'add', `${made.outside}/24`, 'dev', wire);
      ip('link', 'set', wire, 'up');
      ip('-n', name, 'addr', 'add', `${made.inside}/24`, 'dev', `ffm${id}i`);
      ip('-n', name, 'link', 'set', `ffm${id}i`, 'up');
      ip('-n', name, 'link', 'set', 'lo', 'up');
    } catch (error) {
      made.remove();
      throw error;
    }
    return made;
  }

  /** How a master is started in it. */
  get launch(): Pick<MasterOptions, 'namespace' | 'linked'> {
    return { namespace: { name: this.name, address: this.inside, outside: this.outside }, linked: false };
  }

  /** Swallows every packet from now on. */
  cutWire(): void {
    ip('link', 'set', this.wire, 'down');
  }

  mendWire(): void {
    ip('link', 'set', this.wire, 'up');
    // Taking a link down forgot its address.
    try {
      ip('addr', 'add', `${this.outside}/24`, 'dev', this.wire);
    } catch {
      // It is still there.
    }
  }

  remove(): void {
    for (const args of [
      ['route', 'del', 'blackhole', this.net, 'metric', '4096'],
      ['link', 'del', this.wire],
      ['netns', 'del', this.name],
    ]) {
      try {
        ip(...args);
      } catch {
        // It was never made, or went with the other.
      }
    }
  }
}

/** Why namespaces cannot be made here; empty where they can. */
export function missingForNamespaces(): string[] {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return ['root on Linux'];
  try {
    ip('-V');
  } catch {
    return ['iproute2'];
  }
  try {
    NetworkNamespace.create().remove();
    return [];
  } catch {
    return ['the right to make network namespaces'];
  }
}

function ip(...args: string[]): void {
  execFileSync('ip', args, { stdio: 'pipe' });
}
