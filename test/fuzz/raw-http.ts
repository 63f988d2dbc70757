/**
 * Requests as bytes over connections that are kept alive: well-behaved clients (undici, node:http) refuse to send most
 * of what is sent here. Reads answers as strictly as it needs to tell where one ends.
 */
import { connect, type Socket } from 'node:net';

export interface RawAnswer {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: ReadonlyMap<string, string>;
  /** Empty for an event stream, which is left once its headers are here. */
  readonly body: string;
}

/** No answer, and why: a master that hangs up or stays silent is what this suite looks for. */
export class NoAnswer extends Error {}

export interface RawRequest {
  readonly bytes: Buffer;
  /** An answer to HEAD has no body, whatever its headers say. */
  readonly method: string;
}

interface Waiting {
  readonly method: string;
  resolve(answer: RawAnswer): void;
  reject(error: Error): void;
}

/** One connection, one request at a time. */
export class RawConnection {
  private socket: Socket | undefined;
  private received: Buffer = Buffer.alloc(0);
  private waiting: Waiting | undefined;
  /** Connections made so far. */
  opened = 0;

  constructor(
    private readonly port: number,
    private readonly deadline: number,
  ) {}

  /** Throws NoAnswer where the connection ends, or the deadline passes, without a whole answer. */
  async send({ bytes, method }: RawRequest): Promise<RawAnswer> {
    const socket = await this.open();
    const timer = setTimeout(
      () => this.fail(socket, new NoAnswer(`no answer within ${this.deadline} ms`)),
      this.deadline,
    );
    try {
      return await new Promise<RawAnswer>((resolve, reject) => {
        this.waiting = { method, resolve, reject };
        socket.write(bytes);
      });
    } finally {
      clearTimeout(timer);
      this.waiting = undefined;
    }
  }

  close(): void {
    this.socket?.destroy();
    this.socket = undefined;
  }

  private async open(): Promise<Socket> {
    if (this.socket && !this.socket.destroyed && this.socket.writable && this.received.length === 0)
      return this.socket;
    this.close();
    this.received = Buffer.alloc(0);
    this.opened += 1;
    const socket = connect({ port: this.port, host: '127.0.0.1', noDelay: true });
    this.socket = socket;
    socket.on('data', (chunk) => this.receive(socket, chunk));
    // What a server sends after it was told too much counts; that it then resets the connection does not.
    socket.on('error', (error) => this.fail(socket, new NoAnswer(error.message)));
    socket.on('close', () => this.fail(socket, new NoAnswer('the connection was closed')));
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', reject);
    });
    return socket;
  }

  private receive(socket: Socket, chunk: Buffer): void {
    if (socket !== this.socket) return;
    this.received = this.received.length === 0 ? chunk : Buffer.concat([this.received, chunk]);
    const waiting = this.waiting;
    if (!waiting) return;
    const answer = readAnswer(this.received, waiting.method);
    if (!answer) return;
    this.received = this.received.subarray(answer.length);
    if (answer.isLast) this.close();
    waiting.resolve(answer);
  }

  private fail(socket: Socket, error: Error): void {
    if (socket !== this.socket) return;
    this.close();
    this.waiting?.reject(error);
  }
}

interface ReadAnswer extends RawAnswer {
  /** Of the whole in bytes. */
  readonly length: number;
  /** The connection is of no more use. */
  readonly isLast: boolean;
}

/** Undefined while it is not whole. */
function readAnswer(bytes: Buffer, method: string): ReadAnswer | undefined {
  const end = bytes.indexOf('\r\n\r\n');
  if (end < 0) return undefined;
  const [first = '', ...lines] = bytes.toString('latin1', 0, end).split('\r\n');
  const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(first)?.[1]);
  const headers = new Map(
    lines.map((line) => {
      const colon = line.indexOf(':');
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
    }),
  );
  const from = end + 4;
  // 100 Continue comes before the answer.
  if (status < 200) {
    const next = readAnswer(bytes.subarray(from), method);
    return next && { ...next, length: next.length + from };
  }
  const isStream = headers.get('content-type')?.startsWith('text/event-stream') === true;
  if (isStream) return { status, headers, body: '', length: bytes.length, isLast: true };
  const isLast = headers.get('connection') === 'close';
  if (method === 'HEAD' || status === 204 || status === 304) {
    return { status, headers, body: '', length: from, isLast };
  }
  if (headers.get('transfer-encoding') === 'chunked') {
    const chunked = readChunks(bytes, from);
    return chunked && { status, headers, body: chunked.body, length: chunked.end, isLast };
  }
  const length = Number(headers.get('content-length') ?? 0);
  if (bytes.length < from + length) return undefined;
  const body = bytes.toString('utf8', from, from + length);
  return { status, headers, body, length: from + length, isLast };
}

function readChunks(bytes: Buffer, from: number): { body: string; end: number } | undefined {
  const parts: Buffer[] = [];
  for (let at = from; ;) {
    const line = bytes.indexOf('\r\n', at);
    if (line < 0) return undefined;
    const size = Number.parseInt(bytes.toString('latin1', at, line), 16);
    const end = line + 2 + size + 2;
    if (bytes.length < end) return undefined;
    if (size === 0) return { body: Buffer.concat(parts).toString('utf8'), end };
    parts.push(bytes.subarray(line + 2, line + 2 + size));
    at = end;
  }
}
