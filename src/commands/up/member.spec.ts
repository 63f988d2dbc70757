import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { eventually } from '../../../test/support/eventually.js';
import { Member } from './member.js';

let directory: string;
const members: Member[] = [];
let deaths: string[];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'member-'));
  deaths = [];
});
afterEach(async () => {
  await Promise.all(members.splice(0).map((member) => member.stop(0)));
  rmSync(directory, { recursive: true });
});

const logFile = () => join(directory, 'member.log');

/** A process that runs this script. */
function member(script: string): Member {
  const made = new Member({
    name: 'master 1',
    program: ['--eval', script],
    args: [],
    env: process.env,
    logFile: logFile(),
    onDeath: (message) => deaths.push(message),
  });
  members.push(made);
  return made;
}

const READY = `process.send('ready'); setInterval(() => {}, 1000);`;

describe('a member of a local cluster', () => {
  it('is started once it says that it is ready, and writes to its own log', async () => {
    const ready = member(`console.log('hello'); ${READY}`);
    await ready.start();
    await eventually(() => expect(readFileSync(logFile(), 'utf8')).toBe('hello\n'));
    expect(statSync(logFile()).mode & 0o777).toBe(0o600);
  });

  it('that dies at its start is named with its log and its last words, and not started again', async () => {
    const line = JSON.stringify({ level: 'fatal', msg: 'the disk is full' });
    const dying = member(`console.log('one'); console.error(${JSON.stringify(line)}); process.exitCode = 3;`);
    await expect(dying.start()).rejects.toThrow(
      `master 1 did not start (exit status 3); its log is ${logFile()}\n  one\n  fatal: the disk is full`,
    );
    expect(deaths).toEqual([]);
  });

  it('leaves no process behind, whichever moment of its start it is stopped in', async () => {
    for (let turns = 0; turns < 40; turns++) {
      const starting = member('setInterval(() => {}, 1000);');
      const started = starting.start().then(
        () => 'ready',
        () => 'not started',
      );
      for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve));
      await starting.stop(0);
      expect(await started).toBe('not started');
    }
  });

  it('that died later is started again after a second', async () => {
    const mortal = member(READY);
    await mortal.start();
    const first = mortal.pid ?? 0;
    const died = performance.now();
    process.kill(first, 'SIGKILL');
    await eventually(() => expect(mortal.pid ?? first).not.toBe(first));
    expect(performance.now() - died).toBeGreaterThan(900);
    expect(deaths).toEqual(['master 1 died (SIGKILL); it starts again']);
  });

  it('is asked to stop, then killed, and stays down', async () => {
    const deaf = member(`process.on('SIGTERM', () => {}); ${READY}`);
    await deaf.start();
    const { pid = 0 } = deaf;
    await deaf.stop(50);
    expect(() => process.kill(pid, 0)).toThrow('ESRCH');
    await expect(deaf.start()).rejects.toThrow('was not started, for the cluster stops');
    expect(deaths).toEqual([]);
  });
});
