import 'reflect-metadata';
import { Injectable } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { expect, it } from 'vitest';

@Injectable()
class Engine {
  readonly sound = 'brrm';
}

@Injectable()
class Car {
  constructor(readonly engine: Engine) {}
}

it('lets specs inject by the type of a constructor parameter', async () => {
  const module = await Test.createTestingModule({ providers: [Engine, Car] }).compile();
  expect(module.get(Car).engine.sound).toBe('brrm');
});
