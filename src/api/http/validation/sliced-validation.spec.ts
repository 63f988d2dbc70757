import { type ArgumentMetadata, type PipeTransform, ValidationPipe } from '@nestjs/common';
import { Type } from 'class-transformer';
import {
  ArrayMaxSize,
  ArrayMinSize,
  IsArray,
  IsInt,
  IsOptional,
  IsString,
  Max,
  ValidateNested,
} from 'class-validator';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bodiesOf } from '../../../../test/support/request-bodies.js';
import { HeartbeatRequest } from '../../../protocol/heartbeat.js';
import { NodeRegistration } from '../../../protocol/node-registration.js';
import { ReportRequest } from '../../../protocol/report.js';
import { SubmitBatch } from '../../../protocol/submit-job.js';
import { RequestValidation, VALIDATION } from '../validation.pipe.js';
import type { Class } from './compiled-field.js';
import { Refusal } from './refusal.js';
import { silentErrors } from './silent-errors.js';
import { itemListOf, SLICE } from './sliced-validation.js';

/** Of a list with neighbours on both sides. */
class Order {
  @IsInt() number: number;
  @IsOptional()
  @IsArray()
  @ArrayMinSize(2)
  @ArrayMaxSize(90)
  @ValidateNested({ each: true })
  @Type(() => Part)
  parts?: Part[];
  @IsString() name: string;
}
class Part {
  @IsInt() @Max(9) size: number;
}

const pipe = new RequestValidation();
const libraries = new ValidationPipe(VALIDATION);

describe('a body with a long list', () => {
  it('is validated in slices where the list is of objects', () => {
    for (const Class of [SubmitBatch, ReportRequest, HeartbeatRequest, NodeRegistration]) {
      expect(itemListOf(Class), Class.name).toBeDefined();
    }
    expect(itemListOf(Order)).toMatchObject({ name: 'parts', Item: Part });
    expect(itemListOf(Part)).toBeUndefined();
  });

  it.each([
    ['Order', Order as Class, 25],
    ['SubmitBatch', SubmitBatch, 5],
    ['ReportRequest', ReportRequest, 15],
  ])('gets the answer of %s that class-validator gives for the whole', async (_name, Class, numRuns) => {
    const name = itemListOf(Class)?.name ?? '';
    await fc.assert(
      fc.asyncProperty(
        bodiesOf(Class),
        fc.array(bodiesOf(Class), { minLength: 1, maxLength: 3 }),
        fc.integer({ min: SLICE + 1, max: 4 * SLICE }),
        async (body, others, length) => {
          const seen = [body, ...others].flatMap((made) => made[name] ?? []);
          const items = Array.from({ length }, (_, index) => seen[index % Math.max(1, seen.length)]);
          // As from JSON, in which nothing is undefined.
          const sent = { ...body, [name]: items.map((item) => item ?? null) };
          // What the libraries let pass in silence is told before they are asked.
          const silent = silentErrors(Class, sent);
          const wanted =
            silent.length > 0
              ? answerOf(new Refusal().add(silent).problem())
              : await answer(libraries, Class, sent);
          expect(await answer(pipe, Class, sent)).toStrictEqual(wanted);
        },
      ),
      { numRuns },
    );
  });

  it('is told its errors in the order of the fields, the items of all slices together', async () => {
    const parts = Array.from({ length: 3 * SLICE }, (_, index) => (index % 5 ? { size: 'x' } : index));
    for (const sent of [
      { number: 'x', parts, name: 7, more: 1 },
      { number: 1, parts: parts.slice(0, 2 * SLICE), name: 7 },
      { number: 'x', parts: parts.map(() => ({ size: 1 })), name: 7 },
      { number: 1, parts: parts.slice(5).map((part, index) => (index < 40 ? { size: 1 } : part)), name: '' },
    ]) {
      expect(await answer(pipe, Order, sent)).toStrictEqual(await answer(libraries, Order, sent));
    }
  });

  it('lets the event loop turn while a batch of wrong jobs is looked at', async () => {
    const wrong = Array.from({ length: 1000 }, () => ({ scenario: 7, parameters: { crf: 'x' } }));
    const { turns, outcome } = await counting(answer(pipe, SubmitBatch, { jobs: wrong }));
    expect(outcome).toMatchObject({ detail: expect.stringContaining('(and ') });
    expect(turns).toBeGreaterThanOrEqual(Math.floor(1000 / SLICE));
  });
});

/** The instance, or what the problem document says. */
async function answer(by: PipeTransform, Class: Class, body: object): Promise<unknown> {
  try {
    return await by.transform(structuredClone(body), { type: 'body', metatype: Class } as ArgumentMetadata);
  } catch (error) {
    return answerOf(error as { detail?: string; extras?: object });
  }
}

function answerOf({ detail, extras }: { detail?: string; extras?: object }): object {
  return { detail, ...extras };
}

async function counting<T>(work: Promise<T>): Promise<{ turns: number; outcome: T }> {
  let turns = 0;
  let done = false;
  const turn = () => {
    if (done) return;
    turns += 1;
    setImmediate(turn);
  };
  setImmediate(turn);
  const outcome = await work;
  done = true;
  return { turns, outcome };
}
