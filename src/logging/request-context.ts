/** Who is being served right now, carried along every await, so that log lines name the request they belong to. */
import { AsyncLocalStorage } from 'node:async_hooks';

export interface RequestContext {
  readonly request_id: string;
}

const requests = new AsyncLocalStorage<RequestContext>();

/** Runs `serve`, and all that it starts, as part of the request. */
export function runInRequest<T>(request: RequestContext, serve: () => T): T {
  return requests.run(request, serve);
}

/** Undefined outside of requests, in duties for one. */
export function currentRequest(): RequestContext | undefined {
  return requests.getStore();
}
