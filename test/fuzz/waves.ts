/** Sends many requests at once, each over a connection that was used before. */
import type { FuzzRequest } from './fuzz-request.js';
import { NoAnswer, RawConnection, type RawAnswer } from './raw-http.js';

/** Milliseconds that an answer may take before it counts as hung: two more files of tests run on the same two cores. */
const DEADLINE = 30_000;

const CONNECTIONS = 16;

export interface Answered {
  readonly request: FuzzRequest;
  readonly answer: RawAnswer | NoAnswer;
}

export class Waves {
  private readonly connections: readonly RawConnection[];

  constructor(port: number) {
    this.connections = Array.from({ length: CONNECTIONS }, () => new RawConnection(port, DEADLINE));
  }

  get connectionsOpened(): number {
    return this.connections.reduce((sum, { opened }) => sum + opened, 0);
  }

  /** In the order of the requests. */
  async send(requests: readonly FuzzRequest[]): Promise<Answered[]> {
    const answered: Answered[] = [];
    const left = requests.entries();
    const work = async (connection: RawConnection) => {
      // Each takes the next one as soon as it is free.
      for (const [index, request] of left) {
        const answer = await connection.send(request).catch((error: unknown) => asNoAnswer(error));
        answered[index] = { request, answer };
      }
    };
    await Promise.all(this.connections.map(work));
    return answered;
  }

  close(): void {
    for (const connection of this.connections) connection.close();
  }
}

function asNoAnswer(error: unknown): NoAnswer {
  return error instanceof NoAnswer ? error : new NoAnswer(String(error));
}
