/**
 * The guard before every route: default deny. A route is either public, or names the permission it takes;
 * one that does neither is refused to everybody, so that a forgotten line shuts a door instead of opening it
 * (and api/openapi/routes.spec.ts finds it).
 */
import { Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { forbidden } from '../protocol/problem.js';
import { authenticate } from './authenticate.js';
import type { Authenticated } from './current-principal.js';
import { KeyVerifier } from './key-verifier.js';
import type { Permission } from './permissions.js';
import { PUBLIC_ROUTE, REQUIRED_PERMISSION } from './requires.js';

@Injectable()
export class AccessGuard implements CanActivate {
  constructor(
    private readonly reflector: Reflector,
    private readonly keys: KeyVerifier,
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const places = [context.getHandler(), context.getClass()];
    if (this.reflector.getAllAndOverride<boolean | undefined>(PUBLIC_ROUTE, places)) return true;

    const request = context.switchToHttp().getRequest<GuardedRequest>();
    const principal = (request.principal ??= await authenticate(this.keys, request.headers.authorization));

    const required = this.reflector.getAllAndOverride<Permission | undefined>(REQUIRED_PERMISSION, places);
    if (required === undefined) throw forbidden('Nobody may use this route: it names no permission.');
    if (!principal.permissions.has(required))
      throw forbidden(`This API key lacks the permission ${required}.`);
    return true;
  }
}

interface GuardedRequest extends Authenticated {
  headers: { authorization?: string };
}
