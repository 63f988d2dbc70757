/**
 * What everybody asked of the masters and what they were answered, in the manner of Jepsen's histories: each
 * operation has a begin and, unless nobody knows how it ended, an end, on one monotonic clock. The checker
 * concludes from these alone, and from what the database holds at the end, whether a promise was broken.
 */
import { createWriteStream, type WriteStream } from 'node:fs';

/** An attempt that a master handed out. */
export interface Handed {
  readonly job_id: string;
  readonly lease_token: number;
  readonly lease_seconds: number;
}

interface Common {
  /** Milliseconds of `performance.now()`. */
  readonly begin: number;
  /** Absent: no answer came; it may have been carried out, even later. */
  readonly end?: number;
  /** Who asked. */
  readonly by: string;
}

export interface Submit extends Common {
  readonly kind: 'submit';
  readonly key?: string;
  /** Equal for equal bodies. */
  readonly body: string;
  /** Empty where it was refused or nobody answered. */
  readonly job_ids: readonly string[];
  readonly status?: number;
}

export interface Claim extends Common {
  readonly kind: 'claim';
  readonly node_id: string;
  readonly claim_id: string;
  readonly handed: readonly Handed[];
  /** Which master answered, by its URL. */
  readonly at?: string;
}

export interface Heartbeat extends Common {
  readonly kind: 'heartbeat';
  readonly node_id: string;
  readonly attempts: readonly {
    readonly job_id: string;
    readonly lease_token: number;
    /** Absent: nobody answered. */
    readonly lease?: 'extended' | 'lost';
    readonly lease_seconds?: number;
  }[];
}

export interface Report extends Common {
  readonly kind: 'report';
  readonly node_id: string;
  readonly results: readonly {
    readonly job_id: string;
    readonly lease_token: number;
    readonly status: string;
    readonly failure_reason?: string;
    /** Absent: nobody answered, or the request was refused. */
    readonly outcome?: 'accepted' | 'duplicate' | 'stale';
  }[];
  /** Of the claim that rode on it. */
  readonly claim_id?: string;
  /** What that claim was given. */
  readonly handed: readonly Handed[];
  /** Which master answered, by its URL. */
  readonly at?: string;
}

export interface Intervene extends Common {
  readonly kind: 'cancel' | 'retry' | 'pause' | 'resume';
  readonly job_id: string;
  /** Absent: nobody answered. */
  readonly status?: number;
}

/** What one statement saw, at one committed instant. */
export interface Instant extends Common {
  readonly kind: 'instant';
  readonly nodes: readonly { readonly node_id: string; readonly running: number; readonly slots: number }[];
  readonly queues: readonly {
    readonly queue: string;
    readonly running: number;
    readonly max_running: number;
  }[];
  /** Jobs with more than one lease that is neither over nor revoked. */
  readonly doubled: readonly string[];
}

/** A master that said of itself that it leads. */
export interface Leading extends Common {
  readonly kind: 'leading';
  readonly master: string;
  readonly epoch: number;
}

/** A master that was told to stop: from `begin` on it takes no claims, as its probe says. */
export interface Drain extends Common {
  readonly kind: 'drain';
  readonly master: string;
  readonly exit_status: number | null;
}

/** What a reader of the stream of all events was told, in this order. */
export interface Streamed extends Common {
  readonly kind: 'streamed';
  readonly job_id: string;
  readonly n: number;
}

/** A reader of the stream was told that its place is gone, with the database that it was of. */
export interface StreamReset extends Common {
  readonly kind: 'reset';
  /** Its new place, as the `id:` line had it: all that lies behind it is heard. */
  readonly place: string;
}

/** A fault that was injected, with what it did. */
export interface Fault extends Common {
  readonly kind: 'fault';
  readonly name: string;
  readonly detail: string;
}

export type Operation =
  | Submit
  | Claim
  | Heartbeat
  | Report
  | Intervene
  | Instant
  | Leading
  | Drain
  | Streamed
  | StreamReset
  | Fault;

export class History {
  readonly operations: Operation[] = [];
  private readonly file: WriteStream | undefined;

  /** @param path of a file that gets a line of JSON for each, for whoever looks into a failure */
  constructor(path?: string) {
    this.file = path === undefined ? undefined : createWriteStream(path);
  }

  add<O extends Operation>(operation: O): O {
    this.operations.push(operation);
    this.file?.write(`${JSON.stringify(operation)}\n`);
    return operation;
  }

  of<K extends Operation['kind']>(kind: K): Extract<Operation, { kind: K }>[] {
    return this.operations.filter((each): each is Extract<Operation, { kind: K }> => each.kind === kind);
  }

  /** Records a fault and answers its detail, for a test to print. */
  fault(name: string, detail: string): void {
    const now = performance.now();
    this.add({ kind: 'fault', by: 'rig', begin: now, end: now, name, detail });
  }

  close(): void {
    this.file?.end();
  }
}
