import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { Program } from '../../e2e/support/program.js';
import { eventually } from '../../support/eventually.js';

const folder = mkdtempSync(join(tmpdir(), 'ffmpeg-master-program-'));
const script = join(folder, 'program.mjs');
// It ends by itself where it is told so, and else waits for a signal.
writeFileSync(
  script,
  `if (process.argv[2] === 'crash') throw new Error('as the test wanted');
   setInterval(() => undefined, 1000);
   console.log('up');`,
);
afterAll(() => rmSync(folder, { recursive: true }));

async function up(): Promise<Program> {
  const program = new Program(['stay'], {}, script);
  await eventually(() => expect(program.output).toContain('up'), { within: 20_000 });
  expect(program.endedByItself).toBe(false);
  return program;
}

describe('a program that ended', () => {
  it('by a crash, ended by itself', async () => {
    const program = new Program(['crash'], {}, script);
    await program.exit();
    expect(program.endedByItself).toBe(true);
  });

  it('by a signal that no test sent through it, ended by itself', async () => {
    const program = await up();
    process.kill(program.pid, 'SIGKILL');
    await program.exit();
    expect(program.endedByItself).toBe(true);
  });

  it.each(['SIGKILL', 'SIGTERM'] as const)('by the %s of a test, did not', async (signal) => {
    const program = await up();
    program.signal('SIGSTOP');
    program.signal('SIGCONT');
    program.signal(signal);
    await program.exit();
    expect(program.endedByItself).toBe(false);
  });

  it('by stop, or as a test foresaw, did not', async () => {
    const [stopped, foreseen] = [await up(), await up()];
    await stopped.stop();
    foreseen.mayEnd();
    process.kill(foreseen.pid, 'SIGKILL');
    await foreseen.exit();
    expect([stopped.endedByItself, foreseen.endedByItself]).toEqual([false, false]);
  });
});
