import { type DynamicModule, Module } from '@nestjs/common';
import { Settings } from '../config/settings.js';

/** The settings of this master, to be injected anywhere by their class. */
@Module({})
export class SettingsModule {
  static of(settings: Settings): DynamicModule {
    return {
      module: SettingsModule,
      global: true,
      providers: [{ provide: Settings, useValue: settings }],
      exports: [Settings],
    };
  }
}
