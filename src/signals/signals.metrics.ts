import { Counter, Gauge, type Registry } from 'prom-client';

export class SignalMetrics {
  readonly listenerUp: Gauge;
  readonly sent: Counter<'topic'>;
  readonly received: Counter<'topic'>;
  readonly dropped: Counter<'topic'>;
  readonly resyncs: Counter<'why'>;
  readonly notifications: Counter;

  constructor(registry: Registry) {
    const registers = [registry];
    this.listenerUp = new Gauge({
      name: 'ffrtmp_listener_up',
      help: '1 while this master hears the signals of others, 0 while only its poll tells of changes.',
      registers,
    });
    this.sent = new Counter({
      name: 'ffrtmp_signals_sent_total',
      help: 'Signals this master sent, before they were coalesced.',
      labelNames: ['topic'],
      registers,
    });
    this.received = new Counter({
      name: 'ffrtmp_signals_received_total',
      help: 'Signals of other masters that arrived here.',
      labelNames: ['topic'],
      registers,
    });
    this.dropped = new Counter({
      name: 'ffrtmp_signals_dropped_total',
      help: 'Signals for other masters that were not sent since the listener was degraded; their poll replaces them.',
      labelNames: ['topic'],
      registers,
    });
    this.resyncs = new Counter({
      name: 'ffrtmp_signal_resyncs_total',
      help: 'Full look-arounds, by reason: connected or poll.',
      labelNames: ['why'],
      registers,
    });
    this.notifications = new Counter({
      name: 'ffrtmp_notifications_sent_total',
      help: 'NOTIFY statements that carried signals.',
      registers,
    });
  }
}
