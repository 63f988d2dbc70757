/** CPU time of processes, from /proc: throughput on shared cores moves by half, CPU a job by a tenth. */
import { readdirSync, readFileSync } from 'node:fs';

/** Ticks in a second: 100 on every Linux that Node runs on. */
const TICKS = 100;

interface Stat {
  readonly ppid: number;
  /** User and system time, and that of children which ended, in seconds. */
  readonly own: number;
  readonly reaped: number;
}

/** Seconds of CPU that this process has used so far. */
export function cpuOf(pid: number): number {
  return readStat(pid)?.own ?? 0;
}

/** The same of a server and all its children, those that ended included: PostgreSQL forks one a session. */
export function cpuOfTree(pid: number): number {
  for (;;) {
    const root = readStat(pid);
    if (!root) return 0;
    let sum = root.own + root.reaped;
    for (const entry of readdirSync('/proc')) {
      const child = /^\d+$/.test(entry) ? readStat(Number(entry)) : undefined;
      if (child?.ppid === pid) sum += child.own + child.reaped;
    }
    // Time of a child that ended meanwhile went over to the root after that was read.
    if (readStat(pid)?.reaped === root.reaped) return sum;
  }
}

/** The same of all children of this process that have ended: for a program that is run to its end. */
export function cpuOfEndedChildren(): number {
  return readStat(process.pid)?.reaped ?? 0;
}

function readStat(pid: number): Stat | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The name of the program stands in brackets and may hold blanks.
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    const ticks = (index: number) => Number(fields[index]) / TICKS;
    return { ppid: Number(fields[1]), own: ticks(11) + ticks(12), reaped: ticks(13) + ticks(14) };
  } catch {
    return undefined;
  }
}
