/** More work than the database can take now; nothing of it was done. Clients are told 503 and when to come again. */
import { Problem } from '../protocol/problem.js';

export class Overloaded extends Problem {
  override readonly retryAfterSeconds: number;

  constructor(detail: string, retryAfterSeconds = 1) {
    super({ status: 503, kind: 'overloaded', title: 'Overloaded', detail, retryAfterSeconds });
    this.name = 'Overloaded';
    this.retryAfterSeconds = retryAfterSeconds;
  }
}
