import { randomUUID } from 'node:crypto';
import { type ArgumentMetadata, ValidationPipe } from '@nestjs/common';
import { Exclude, Expose, Transform, Type } from 'class-transformer';
import {
  IsArray,
  IsInt,
  IsOptional,
  IsString,
  Min,
  Validate,
  ValidateIf,
  ValidateNested,
  type ValidationArguments,
  ValidatorConstraint,
} from 'class-validator';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bodiesOf } from '../../../../test/support/request-bodies.js';
import { requestClasses } from '../../../../test/support/request-classes.js';
import { ClaimRequest } from '../../../protocol/claim.js';
import { HeartbeatRequest } from '../../../protocol/heartbeat.js';
import { LogChunk } from '../../../protocol/log-chunk.js';
import { NodeRegistration } from '../../../protocol/node-registration.js';
import { ReportRequest } from '../../../protocol/report.js';
import { SubmitBatch, SubmitJob } from '../../../protocol/submit-job.js';
import { VALIDATION } from '../validation.pipe.js';
import { compiledClass } from './compiled-class.js';
import type { Class } from './compiled-field.js';
import { UNDECIDED } from './undecided.js';

const libraries = new ValidationPipe(VALIDATION);
const byLibraries = (Class: Class, body: unknown): Promise<unknown> =>
  libraries.transform(structuredClone(body), { type: 'body', metatype: Class } as ArgumentMetadata);

describe('a compiled class', () => {
  const classes = requestClasses();

  it.each(classes.map((Class) => [Class.name, Class] as const))(
    'accepts of %s only what the libraries accept, as the instance that they make',
    async (_name, Class) => {
      const compiled = compiledClass(Class);
      if (compiled === undefined) return;
      let accepted = 0;
      await fc.assert(
        fc.asyncProperty(bodiesOf(Class), async (body) => {
          const sent = JSON.stringify(body);
          const instance = compiled.accept(body);
          expect(JSON.stringify(body)).toBe(sent);
          if (instance === UNDECIDED) return;
          accepted += 1;
          expect(instance).toStrictEqual(await byLibraries(Class, body));
        }),
        { numRuns: 100 },
      );
      expect(accepted).toBeGreaterThan(15);
    },
  );

  const id = randomUUID();
  const attempt = { job_id: id, lease_token: 4 };
  const job = {
    scenario: '4K60-hevc',
    parameters: { codec: 'hevc', bitrate: '20M', resource_limits: { max_memory_mb: 512 } },
    requirements: { gpu: true, labels: { zone: 'a' }, threads: 4 },
    queue: 'live',
    priority: 'high',
    tags: ['a', 'b'],
    run_at: '2030-01-31T12:00:00Z',
  };
  const result = {
    size_bytes: 1,
    streams: [{ type: 'video', codec: 'h264' }],
    metrics: { fps: 1.5, steps: [{}] },
  };
  it.each<[Class, object]>([
    [ClaimRequest, { claim_id: id, max_jobs: 10, wait_seconds: 30 }],
    [
      ReportRequest,
      {
        results: [
          { ...attempt, status: 'completed', result },
          { ...attempt, status: 'failed', error: 'no' },
        ],
        claim: { claim_id: id, max_jobs: 1 },
      },
    ],
    [HeartbeatRequest, { attempts: [{ ...attempt, started: true, progress: 99.5 }], cpu_load_percent: 12.5 }],
    [HeartbeatRequest, { attempts: [] }],
    [LogChunk, { lease_token: 1, offset: 0, text: 'frame= 1\n' }],
    [SubmitJob, { scenario: '1080p-h264' }],
    [SubmitJob, job],
    [SubmitBatch, { jobs: [job, { scenario: '720p', parameters: null }] }],
    [
      NodeRegistration,
      {
        name: 'n-1',
        instance_id: id,
        slots: 2,
        cpu_threads: 8,
        cpu_model: 'EPYC',
        ram_total_bytes: 2 ** 34,
        gpus: [{ name: 'L4', memory_bytes: 2 ** 34 }],
        encoders: ['libx264'],
        engines: ['ffmpeg'],
        ffmpeg_version: '7.1',
        labels: {},
      },
    ],
  ])('takes what is usually sent as %o without asking the libraries', async (Class, body) => {
    expect(compiledClass(Class)?.accept(body)).toStrictEqual(await byLibraries(Class, body));
  });

  it('leaves unknown fields and what hides something of every object undecided, wherever they stand', () => {
    const decided = (text: string) => compiledClass(ReportRequest)?.accept(JSON.parse(text)) !== UNDECIDED;
    const metrics = (inner: string) =>
      `{"results":[{"job_id":"${id}","lease_token":1,"status":"completed","result":{"metrics":${inner}}}]}`;
    expect(decided(metrics('{"a":[{"b":null}]}'))).toBe(true);
    for (const key of ['__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty']) {
      expect(decided(metrics(`{"a":[{"${key}":1}]}`)), key).toBe(false);
      expect(decided(`{"results":[],"${key}":1}`), key).toBe(false);
    }
    expect(decided(`{"results":[],"more":1}`)).toBe(false);
  });

  it.each<[string, () => Class, object]>([
    ['a condition', () => WithCondition, { kind: 'b' }],
    ['a validator that looks at the whole object', () => WithSibling, { from: 2, to: 1 }],
    ['a validator that promises', () => WithPromise, { name: 'a' }],
    ['a validator that throws', () => WithThrow, { name: 'a' }],
    ['a transformation', () => WithTransform, { name: 'a' }],
    ['another name', () => WithExpose, { nom: 'a' }],
    ['a hidden field', () => WithExclude, { name: 'a' }],
    ['a first value', () => WithValue, {}],
    ['a field that nobody may send', () => WithOwn, { name: 'a' }],
    ['a method of that name', () => WithMethod, { name: 'a' }],
    ['itself', () => WithItself, { inner: { inner: {} } }],
    ['an object of no class', () => WithoutClass, { inner: {} }],
    ['a class that is chosen by the value', () => WithChoice, { inner: { kind: 'a', size: 1 } }],
    ['a set', () => WithSet, { inner: [{ size: 1 }] }],
    ['a list for an object', () => WithObject, { inner: [{ size: 1 }] }],
    ['no rules', () => class {}, {}],
  ])('leaves a class with %s to the libraries', (_kind, Class, body) => {
    expect(compiledClass(Class())?.accept(body) ?? UNDECIDED).toBe(UNDECIDED);
  });
});

class Sized {
  @IsInt() size: number;
}
class WithCondition {
  @IsString() kind: string;
  @ValidateIf(({ kind }: WithCondition) => kind === 'b') @Min(0) size: number;
}
@ValidatorConstraint()
class AtLeastFrom {
  validate = (to: number, { object }: ValidationArguments) => to >= (object as WithSibling).from;
}
class WithSibling {
  @IsInt() from: number;
  @Validate(AtLeastFrom) to: number;
}
@ValidatorConstraint({ async: true })
class Promised {
  validate = () => Promise.resolve(true);
}
class WithPromise {
  @Validate(Promised) name: string;
}
@ValidatorConstraint()
class Throwing {
  validate = (): boolean => {
    throw new Error('no verdict');
  };
}
class WithThrow {
  @Validate(Throwing) name: string;
}
class WithTransform {
  @IsString() @Transform(({ value }) => `${value}!`) name: string;
}
class WithExpose {
  @IsString() @Expose({ name: 'nom' }) name: string;
}
class WithExclude {
  @IsOptional() @IsString() @Exclude() name: string;
}
class WithValue {
  @IsString() name = 'a';
}
class WithOwn {
  @IsString() name: string;
  secret = undefined;
}
class Named {
  name(): string {
    return 'b';
  }
}
class WithMethod extends Named {}
IsOptional()(WithMethod.prototype, 'name');
class WithItself {
  @IsOptional() @ValidateNested() @Type(() => WithItself) inner?: WithItself;
}
class WithoutClass {
  @ValidateNested() inner: object;
}
class WithChoice {
  @ValidateNested()
  @Type(() => Sized, { discriminator: { property: 'kind', subTypes: [{ name: 'a', value: Sized }] } })
  inner: Sized;
}
class WithSet {
  @IsArray() @ValidateNested() @Type(() => Sized) inner: Set<Sized>;
}
class WithObject {
  @ValidateNested() @Type(() => Sized) inner: Sized;
}
