import { Counter, type Registry } from 'prom-client';

export class NodesMetrics {
  readonly #registrations: Counter<'outcome'>;

  constructor(registry: Registry) {
    this.#registrations = new Counter({
      name: 'ffrtmp_node_registrations_total',
      help: 'Registrations of workers: of a new node (created), or of a known one (renewed)',
      labelNames: ['outcome'],
      registers: [registry],
    });
    for (const outcome of ['created', 'renewed']) this.#registrations.inc({ outcome }, 0);
  }

  registered(created: boolean): void {
    this.#registrations.inc({ outcome: created ? 'created' : 'renewed' });
  }
}
