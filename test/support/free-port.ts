import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';

/** The ports above are the kernel's own: a client's connection could take one between the look and the use. */
const FIRST = 20_000;
const LAST = 32_000;

/** Of all test runs of this user: a file for each port that was handed out, with the process that asked for it. */
const CLAIMS = join(tmpdir(), `ffmpeg-master-test-ports-${userInfo().uid}`);

/**
 * A port of loopback on which nobody listens now, and which no other test was given. Twenty masters ask for 40 before the
 * first listens: of 12,000 two were the same one in each 15 times, and masters of another run may be starting beside them.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = FIRST + Math.floor(Math.random() * (LAST - FIRST));
    if (claimPort(port) && (await canListen(port))) return port;
  }
}

/** False where another test has it. Given back when this process ends. */
export function claimPort(port: number): boolean {
  mkdirSync(CLAIMS, { recursive: true });
  const claim = join(CLAIMS, String(port));
  try {
    writeFileSync(claim, String(process.pid), { flag: 'wx' });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    // Of a process that was killed; the port after this one will do.
    if (!isAlive(holderOf(claim))) rmSync(claim, { force: true });
    return false;
  }
  if (claimed.length === 0) process.once('exit', giveBack);
  claimed.push(claim);
  return true;
}

const claimed: string[] = [];

function giveBack(): void {
  for (const claim of claimed) rmSync(claim, { force: true });
}

function holderOf(claim: string): number {
  try {
    return Number(readFileSync(claim, 'utf8'));
  } catch {
    return 0;
  }
}

/** Of one whose number was not written yet nobody can tell: it counts as alive. */
function isAlive(pid: number): boolean {
  if (!(pid > 0)) return true;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

function canListen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
