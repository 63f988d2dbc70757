import { type Command, CommanderError, InvalidArgumentError } from 'commander';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ConfigurationError } from '../config/configuration-error.js';
import { type CommandEntry, runCommandLine } from './command-line.js';
import { Failure, Misuse } from './failures.js';

let errors = '';
let output = '';

beforeEach(() => {
  errors = output = '';
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => Boolean((errors += String(text))));
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => Boolean((output += String(text))));
});
afterEach(() => vi.restoreAllMocks());

function entry(action: (flags: { n?: string }) => void): CommandEntry {
  return {
    summary: 'a command',
    load: async () => ({
      define: (command: Command) =>
        void command
          .option('--n <n>', 'a number', (text) => {
            if (text !== '1') throw new InvalidArgumentError('It must be 1.');
            return text;
          })
          .action(action),
    }),
  };
}

const silent = entry(() => undefined);
const neverLoaded: CommandEntry = {
  summary: 'another command',
  load: () => {
    throw new Error('loaded');
  },
};

describe('the command line', () => {
  it('loads the command that is wanted, and no other', async () => {
    expect(await runCommandLine({ one: silent, two: neverLoaded }, ['one'])).toBe(0);
    expect(await runCommandLine({ one: silent, two: neverLoaded }, ['one', '--help'])).toBe(0);
    expect(output).toContain('--n <n>');
  });

  it('lets a command translate what stands behind its name', async () => {
    const given: unknown[] = [];
    const { load, ...one } = entry((flags) => given.push(flags.n));
    const translating: CommandEntry = {
      ...one,
      load: async () => ({
        ...(await load()),
        translate: (argv) => argv.map((arg) => arg.replace(/^-n/, '--n')),
      }),
    };
    expect(await runCommandLine({ one: translating, two: silent }, ['one', '-n', '1'])).toBe(0);
    expect(given).toEqual(['1']);
    expect(await runCommandLine({ one: translating, two: silent }, ['two', '-n', '1'])).toBe(2);
    expect(await runCommandLine({ one: translating }, ['help', 'one'])).toBe(0);
  });

  it('lists all commands without loading one', async () => {
    expect(await runCommandLine({ two: neverLoaded }, ['--help'])).toBe(0);
    expect(output).toContain('another command');
    expect(await runCommandLine({ two: neverLoaded }, ['--version'])).toBe(0);
    expect(output).toMatch(/^\d+\.\d+\.\d+$/m);
  });

  it.each([
    [new Failure('it broke; mend it'), 1, 'ffmpeg-master: it broke; mend it\n'],
    [new Error('unforeseen'), 1, 'ffmpeg-master: unforeseen\n'],
    [new AggregateError([new Error('first'), new Error('second')]), 1, 'ffmpeg-master: first\n'],
    [new Misuse('say which'), 2, 'ffmpeg-master: say which\n'],
    [
      new ConfigurationError([{ key: 'api.port', value: '"x"', allowed: 'a port' }]),
      2,
      'ffmpeg-master: wrong setting: api.port is "x"; allowed: a port\n',
    ],
    [new CommanderError(1, 'commander.unknownOption', ''), 2, ''],
  ])('exits with the right status and one line: %s', async (error, status, line) => {
    const failing = entry(() => {
      throw error;
    });
    expect(await runCommandLine({ one: failing }, ['one'])).toBe(status);
    expect(errors).toBe(line);
  });

  it.each([[['one', '--wrong']], [['one', '--n', '2']], [['one', 'too', 'many']], [['unknown']]])(
    'calls %j wrong usage',
    async (argv) => {
      expect(await runCommandLine({ one: silent }, argv)).toBe(2);
      expect(errors).toMatch(/^ffmpeg-master: .+\n/);
    },
  );
});

describe('commands of the client', () => {
  it('start without the validator, the settings and Nest, which take half a second to load', async () => {
    const heavy = ['class-validator', 'class-transformer', '@nestjs/core', 'pg', 'pino'];
    for (const name of heavy)
      vi.doMock(name, () => {
        throw new Error(`${name} was loaded`);
      });
    for (const load of [() => import('./jobs.js'), () => import('./nodes.js')])
      await expect(load()).resolves.toBeDefined();
  });
});
