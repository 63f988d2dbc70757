import { inspect } from 'node:util';
import type { LoggerService } from '@nestjs/common';
import type { Level, Logger } from 'pino';

/**
 * pino as Nest's logger. `new Logger('Leadership')` of @nestjs/common becomes a child with
 * `component: 'Leadership'`; objects become fields, errors `err`.
 */
export class NestLogger implements LoggerService {
  private readonly components = new Map<string, Logger>();

  constructor(private readonly logger: Logger) {}

  verbose(message: unknown, ...rest: unknown[]): void {
    this.write('trace', message, rest);
  }

  debug(message: unknown, ...rest: unknown[]): void {
    this.write('debug', message, rest);
  }

  log(message: unknown, ...rest: unknown[]): void {
    this.write('info', message, rest);
  }

  warn(message: unknown, ...rest: unknown[]): void {
    this.write('warn', message, rest);
  }

  error(message: unknown, ...rest: unknown[]): void {
    this.write('error', message, rest);
  }

  fatal(message: unknown, ...rest: unknown[]): void {
    this.write('fatal', message, rest);
  }

  /** Nest passes (message, …more, stack?, component): the component last, being a text that is no stack. */
  private write(level: Level, message: unknown, rest: unknown[]): void {
    const last = rest.at(-1);
    const component = typeof last === 'string' && !isStack(last) ? last : undefined;
    const more = component === undefined ? rest : rest.slice(0, -1);
    const fields: Record<string, unknown> = {};
    const texts: string[] = [];
    for (const part of [message, ...more]) {
      if (part instanceof Error) fields['err'] = part;
      else if (typeof part === 'string' && isStack(part)) fields['stack'] = part;
      else if (typeof part === 'object' && part !== null) Object.assign(fields, part);
      else if (part !== undefined) texts.push(typeof part === 'string' ? part : inspect(part));
    }
    this.childFor(component)[level](fields, texts.join(' ') || undefined);
  }

  private childFor(component: string | undefined): Logger {
    if (component === undefined) return this.logger;
    const child = this.components.get(component) ?? this.logger.child({ component });
    this.components.set(component, child);
    return child;
  }
}

function isStack(text: string): boolean {
  return /^.*\n\s+at .+:\d+:\d+/.test(text);
}
