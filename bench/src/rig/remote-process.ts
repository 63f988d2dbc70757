/**
 * A part of a benchmark in a process of its own, so that its CPU is its own: the load, a peer. The parent
 * calls its functions by name; arguments and answers go as JSON.
 */
import { type ChildProcess, fork } from 'node:child_process';

export type Calls = Record<string, (argument: never) => Promise<unknown>>;

interface Answer {
  readonly id: number;
  readonly result?: unknown;
  readonly error?: string;
}

export class RemoteProcess<Of extends Calls> {
  private readonly child: ChildProcess;
  private readonly waiting = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>();
  private calls = 0;

  /** @param file the module that answers, by `answerCalls` */
  constructor(file: string) {
    this.child = fork(file, {
      execArgv: ['--import', 'tsx'],
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    this.child.on('message', (answer: Answer) => {
      const call = this.waiting.get(answer.id);
      this.waiting.delete(answer.id);
      if (answer.error === undefined) call?.resolve(answer.result);
      else call?.reject(new Error(answer.error));
    });
    this.child.on('exit', (status, signal) => {
      this.failAll(new Error(`${file} ended with ${signal ?? status} in the middle of a call`));
    });
    this.child.on('error', (error) => this.failAll(error));
  }

  get pid(): number {
    return this.child.pid ?? -1;
  }

  call<Name extends keyof Of & string>(
    name: Name,
    argument: Parameters<Of[Name]>[0],
  ): Promise<Awaited<ReturnType<Of[Name]>>> {
    const id = (this.calls += 1);
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve: resolve, reject });
      this.child.send({ id, name, argument });
    });
  }

  async stop(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const ended = new Promise((resolve) => this.child.once('exit', resolve));
    this.child.disconnect();
    await ended;
  }

  private failAll(error: Error): void {
    for (const call of this.waiting.values()) call.reject(error);
    this.waiting.clear();
  }
}

/** Answers the calls of the parent until it lets go. */
export function answerCalls(calls: Calls): void {
  process.on('message', ({ id, name, argument }: { id: number; name: string; argument: never }) => {
    void Promise.resolve(calls[name]?.(argument))
      .then((result) => ({ id, result }))
      .catch((error: unknown) => ({ id, error: error instanceof Error ? error.stack : String(error) }))
      .then((answer) => process.send?.(answer));
  });
  process.on('disconnect', () => process.exit(0));
}
