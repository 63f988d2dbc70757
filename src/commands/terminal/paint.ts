import { styleText } from 'node:util';

type Style = Parameters<typeof styleText>[0];

/** Colour for a person's terminal only; NO_COLOR (no-color.org) turns it off. */
export function paint(style: Style, text: string): string {
  return process.stdout.isTTY && !process.env['NO_COLOR'] ? styleText(style, text) : text;
}
