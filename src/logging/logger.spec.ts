import { Logger as Nest } from '@nestjs/common';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { createLogger } from './logger.js';
import { NestLogger } from './nest-logger.js';

const lines: string[] = [];
const stream = { write: (line: string) => void lines.push(line) };
const written = () => lines.map((line) => JSON.parse(line));

afterEach(() => {
  lines.length = 0;
});

describe('createLogger', () => {
  const logger = createLogger({ level: 'info', format: 'json' }, stream);

  it('writes JSON lines with level, time and component, from its level up', () => {
    const child = logger.child({ component: 'leadership' });
    child.debug('not this');
    child.info({ epoch: 3, lease_token: '17' }, 'term begun');
    expect(written()).toEqual([
      expect.objectContaining({
        level: 'info',
        component: 'leadership',
        epoch: 3,
        lease_token: '17',
        msg: 'term begun',
        time: expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
      }),
    ]);
  });

  it('writes readable lines where asked, without secrets too', () => {
    createLogger({ level: 'info', format: 'pretty' }, stream).info({ password: 'hunter2' }, 'hello');
    expect(lines.join('')).toMatch(/INFO.*hello/);
    expect(lines.join('')).not.toContain('hunter2');
  });

  it.each([
    [{ password: 'hunter2' }, ''],
    [{ a: { b: { c: [{ Password: 'hunter2' }] } } }, ''],
    [{ req: { headers: { authorization: 'Bearer hunter2', cookie: ['a=hunter2'] } } }, ''],
    [{ rawHeaders: ['Authorization', 'Bearer hunter2='] }, ''],
    [{ master_api_key: 'hunter2', node_key: 'hunter2', 'x-api-key': 'hunter2', apiKey: 'hunter2' }, ''],
    [{ dsn: 'postgresql://u:hunter2@h/d' }, ''],
    [{ err: new Error('no route to postgresql://u:p@hunter2/w@h:5432/d?password=hunter2') }, ''],
    [{}, 'fetching https://u:hunter2@example.com/a?b=c'],
  ])('hides the secret in %j %s', (fields, message) => {
    logger.warn(fields, message);
    expect(lines).toHaveLength(1);
    expect(lines[0]).not.toContain('hunter2');
    expect(written()).toHaveLength(1);
  });

  it.each(['a.', 'a://b:', '"token":', 'password', '?password=', '\\'])(
    'is not slowed down by %j',
    { timeout: 60_000 },
    (part) => {
      const before = process.cpuUsage();
      logger.info(part.repeat(1_000_000 / part.length));
      // A search costs under 150 ms of CPU; one from each place to the end of the line takes minutes.
      expect(process.cpuUsage(before).user).toBeLessThan(3_000_000);
    },
  );

  it('stays JSON and hides any password', { timeout: 60_000 }, () => {
    const text = fc.string({ unit: 'binary', maxLength: 8 });
    const password = fc.tuple(text, text).map(([a, b]) => `${a}Kq7ZxKq7Zx${b}`);
    fc.assert(
      fc.property(password, (secret) => {
        lines.length = 0;
        const dsn = `postgresql://u:${encodeURIComponent(secret)}@h/d`;
        logger.info({ password: secret, dsn, other: { password: secret, after: 'kept' } }, `to ${dsn}`);
        expect(lines[0]).not.toContain('Kq7Zx');
        expect(written()[0]).toMatchObject({ other: { after: 'kept' }, msg: 'to postgresql://u:***@h/d' });
      }),
    );
  });
});

describe('NestLogger', () => {
  const logger = new NestLogger(createLogger({ level: 'trace', format: 'json' }, stream));

  it('takes the last text for the component', () => {
    Nest.overrideLogger(logger);
    new Nest('Leadership').warn('stepping down');
    new Nest('Leadership').log({ epoch: 3 });
    logger.log('plain');
    expect(written()).toEqual([
      expect.objectContaining({ level: 'warn', component: 'Leadership', msg: 'stepping down' }),
      expect.objectContaining({ level: 'info', component: 'Leadership', epoch: 3 }),
      expect.objectContaining({ level: 'info', msg: 'plain' }),
    ]);
    expect(written()[2]).not.toHaveProperty('component');
  });

  it('writes errors with their stack, given as an error or as text', () => {
    const error = new Error('broken');
    logger.error(error, 'Jobs');
    logger.error('it broke', error.stack, 'Jobs');
    logger.error('it broke', error.stack);
    expect(written()).toEqual([
      expect.objectContaining({
        component: 'Jobs',
        msg: 'broken',
        err: expect.objectContaining({ stack: error.stack }),
      }),
      expect.objectContaining({ component: 'Jobs', msg: 'it broke', stack: error.stack }),
      expect.objectContaining({ msg: 'it broke', stack: error.stack }),
    ]);
  });

  it.each([
    ['verbose', 'trace'],
    ['debug', 'debug'],
    ['log', 'info'],
    ['warn', 'warn'],
    ['error', 'error'],
    ['fatal', 'fatal'],
  ] as const)('writes %s as %s', (method, level) => {
    logger[method]('text');
    expect(written()).toMatchObject([{ level, msg: 'text' }]);
  });
});
