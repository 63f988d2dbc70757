import { type DynamicModule, Module } from '@nestjs/common';
import { Settings } from './settings.js';

/** Gives the settings that a command loaded to all modules: inject `Settings`. */
@Module({})
export class ConfigModule {
  static of(settings: Settings): DynamicModule {
    return {
      module: ConfigModule,
      global: true,
      providers: [{ provide: Settings, useValue: settings }],
      exports: [Settings],
    };
  }
}
