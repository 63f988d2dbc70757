/** All routes of some controllers, read from what Nest's decorators left behind. */
import 'reflect-metadata';
import { RequestMethod, type Type } from '@nestjs/common';
import type { Permission } from '../../access/permissions.js';
import { PUBLIC_ROUTE, REQUIRED_PERMISSION } from '../../access/requires.js';

export interface Route {
  /** `GET` */
  method: string;
  /** `/api/v1/jobs/{reference}` */
  path: string;
  /** `JobsController.get` */
  handler: string;
  public: boolean;
  /** Undefined: nobody may use it. */
  permission: Permission | undefined;
  status: number;
  body: Type | undefined;
  query: Type | undefined;
  /** Lower-case names of the headers it reads. */
  headers: string[];
}

export function routesOf(controllers: readonly Type[]): Route[] {
  return controllers.flatMap((controller) =>
    methodsOf(controller).flatMap((name) => {
      const handler = prototypeOf(controller)[name] ?? {};
      const method = Reflect.getMetadata('method', handler) as RequestMethod | undefined;
      if (method === undefined) return [];
      const prefixes = textsOf(Reflect.getMetadata('path', controller));
      const paths = textsOf(Reflect.getMetadata('path', handler));
      const inputs = inputsOf(controller, name);
      return prefixes.flatMap((prefix) =>
        paths.map((path) => ({
          method: RequestMethod[method],
          path: openApiPath(prefix, path),
          handler: `${controller.name}.${name}`,
          public: metadata<boolean>(PUBLIC_ROUTE, handler, controller) ?? false,
          permission: metadata<Permission>(REQUIRED_PERMISSION, handler, controller),
          status: statusOf(handler, method),
          ...inputs,
        })),
      );
    }),
  );
}

/** What the guard reads, in its order. */
function metadata<T>(key: string, handler: object, controller: Type): T | undefined {
  return (Reflect.getMetadata(key, handler) ?? Reflect.getMetadata(key, controller)) as T | undefined;
}

function methodsOf(controller: Type): string[] {
  const prototype = prototypeOf(controller);
  return Object.getOwnPropertyNames(prototype).filter((name) => {
    const value: unknown = Object.getOwnPropertyDescriptor(prototype, name)?.value;
    return name !== 'constructor' && typeof value === 'function';
  });
}

function prototypeOf(controller: Type): Record<string, object> {
  return controller.prototype as Record<string, object>;
}

function textsOf(path: unknown): string[] {
  return [path ?? ''].flat().map(String);
}

function openApiPath(...parts: string[]): string {
  const segments = parts.flatMap((part) => part.split('/')).filter((segment) => segment !== '');
  return `/${segments.map((segment) => segment.replace(/^:(.*)$/, '{$1}')).join('/')}`;
}

function statusOf(handler: object, method: RequestMethod): number {
  const stated = Reflect.getMetadata('__httpCode__', handler) as number | undefined;
  return stated ?? (method === RequestMethod.POST ? 201 : 200);
}

/** Nest's numbers of the kinds of parameters (RouteParamtypes). */
const BODY = 3;
const QUERY = 4;
const HEADERS = 6;

function inputsOf(controller: Type, name: string): Pick<Route, 'body' | 'query' | 'headers'> {
  const args = (Reflect.getMetadata('__routeArguments__', controller, name) ?? {}) as Record<
    string,
    { data?: unknown }
  >;
  const types = (Reflect.getMetadata('design:paramtypes', prototypeOf(controller), name) ?? []) as Type[];
  const of = (kind: number) =>
    Object.entries(args).flatMap(([key, { data }]) => {
      const [type, index] = key.split(':').map(Number);
      return type === kind && index !== undefined ? [{ data, type: types[index] }] : [];
    });
  return {
    body: of(BODY)[0]?.type,
    query: of(QUERY)[0]?.type,
    headers: of(HEADERS).flatMap(({ data }) => (typeof data === 'string' ? [data.toLowerCase()] : [])),
  };
}
