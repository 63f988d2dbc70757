import { Injectable } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { expect, it } from 'vitest';
import { ConfigModule } from './config.module.js';
import { loadSettings } from './load-settings.js';
import { Settings } from './settings.js';

@Injectable()
class Reader {
  constructor(readonly settings: Settings) {}
}

it('gives the loaded settings to whoever asks for their class', async () => {
  const settings = loadSettings({ env: { API_PORT: '1' } });
  const module = await Test.createTestingModule({
    imports: [ConfigModule.of(settings)],
    providers: [{ provide: Reader, useFactory: (found: Settings) => new Reader(found), inject: [Settings] }],
  }).compile();
  expect(module.get(Reader).settings).toBe(settings);
  await module.close();
});
