/**
 * The guard before every route: default deny. A route is either public, or names the permission it takes;
 * one that does neither is refused to everybody, so that a forgotten line shuts a door instead of opening it
 * (and api/openapi/routes.spec.ts finds it).
 */
import { Injectable, type CanActivate, type ExecutionContext, type Type } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { forbidden } from '../protocol/problem.js';
import { authenticate } from './authenticate.js';
import type { Authenticated } from './current-principal.js';
import { KeyVerifier } from './key-verifier.js';
import type { Permission } from './permissions.js';
import type { Principal } from './principal.js';
import { PUBLIC_ROUTE, REQUIRED_PERMISSION } from './requires.js';

@Injectable()
export class AccessGuard implements CanActivate {
  /** By controller and handler: what decorators wrote does not change, and reading it took 4 µs. */
  private readonly rules = new Map<Type, Map<Handler, Rule>>();

  constructor(
    private readonly reflector: Reflector,
    private readonly keys: KeyVerifier,
  ) {}

  canActivate(context: ExecutionContext): boolean | Promise<boolean> {
    const rule = this.ruleOf(context);
    if (rule.public) return true;
    const request = context.switchToHttp().getRequest<GuardedRequest>();
    if (request.principal) return mayEnter(request.principal, rule);
    return authenticate(this.keys, request.headers.authorization).then((principal) => {
      request.principal = principal;
      return mayEnter(principal, rule);
    });
  }

  private ruleOf(context: ExecutionContext): Rule {
    const [controller, handler] = [context.getClass(), context.getHandler()];
    const rules = this.rules.get(controller) ?? new Map<Handler, Rule>();
    this.rules.set(controller, rules);
    const rule = rules.get(handler) ?? this.readRule([handler, controller]);
    rules.set(handler, rule);
    return rule;
  }

  private readRule(places: (Handler | Type)[]): Rule {
    return {
      public: this.reflector.getAllAndOverride<boolean | undefined>(PUBLIC_ROUTE, places) ?? false,
      required: this.reflector.getAllAndOverride<Permission | undefined>(REQUIRED_PERMISSION, places),
    };
  }
}

type Handler = ReturnType<ExecutionContext['getHandler']>;

interface Rule {
  readonly public: boolean;
  readonly required: Permission | undefined;
}

interface GuardedRequest extends Authenticated {
  headers: { authorization?: string };
}

function mayEnter({ permissions }: Principal, { required }: Rule): true {
  if (required === undefined) throw forbidden('Nobody may use this route: it names no permission.');
  if (!permissions.has(required)) throw forbidden(`This API key lacks the permission ${required}.`);
  return true;
}
