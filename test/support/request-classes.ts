/** All classes by which a master checks what is sent, found by its routes. */
import type { DynamicModule, Type } from '@nestjs/common';
import { MasterModule } from '../../src/api/master.module.js';
import { routesOf } from '../../src/api/openapi/route-table.js';

export function requestClasses(): Type<object>[] {
  const classes = routesOf(controllersOf(MasterModule)).flatMap(({ body, query }) => [body, query]);
  return [...new Set(classes.filter((found) => found !== undefined))];
}

/** Of a module and all that it imports, without starting anything. */
export function controllersOf(root: Type | DynamicModule): Type[] {
  const seen = new Set<unknown>();
  const found = new Set<Type>();
  const walk = (module: Type | DynamicModule) => {
    const type = 'module' in module ? module.module : module;
    const dynamic = 'module' in module ? module : undefined;
    for (const controller of [
      ...(Reflect.getMetadata('controllers', type) ?? []),
      ...(dynamic?.controllers ?? []),
    ]) {
      found.add(controller);
    }
    for (const imported of dynamic?.imports ?? []) walk(imported as Type);
    if (seen.has(type)) return;
    seen.add(type);
    for (const imported of Reflect.getMetadata('imports', type) ?? []) walk(imported);
  };
  walk(root);
  return [...found];
}
