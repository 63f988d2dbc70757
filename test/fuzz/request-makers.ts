/** All requests for one operation: a good one, of which one thing was broken. */
import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { brokenBodies, mayBeValid } from './body-mutations.js';
import {
  wrongBodies,
  wrongHeaders,
  wrongKeys,
  wrongMethods,
  wrongPaths,
  wrongQueries,
  wrongTransport,
  type Broken,
} from './envelope-mutations.js';
import { bytesOf, type Expectation, type FuzzRequest, type Sketch } from './fuzz-request.js';
import type { Operation } from './operations.js';
import { valuesOf, type Known } from './schema-values.js';
import type { Targets } from './targets.js';

export interface Stage {
  readonly key: string;
  readonly host: string;
  readonly targets: Targets;
  /** Methods of each path that the router has. */
  readonly methods: ReadonlyMap<string, readonly string[]>;
}

export function requestsFor(operation: Operation, stage: Stage): fc.Arbitrary<FuzzRequest> {
  const { body, method, path } = operation;
  const good = body && valuesOf(body, knownOf(stage.targets));
  const sketches = fc
    .tuple(fc.nat(), good ?? fc.constant(undefined))
    .map(([which, value]) => goodSketch(operation, stage, which, value));
  const of = (weight: number, make: (sketch: Sketch) => fc.Arbitrary<Broken> | undefined) => ({
    weight,
    arbitrary: sketches.chain((sketch) => make(sketch) ?? asItIs(sketch)),
  });
  const asItIs = (sketch: Sketch) =>
    fc.constant<Broken>({ kind: 'as it is', expect: method === 'GET' ? 'harmless' : 'any', sketch });
  const kinds = [
    of(2, (sketch) => wrongKeys(sketch, operation, stage.key)),
    of(3, (sketch) => wrongBodies(sketch, operation)),
    of(5, (sketch) => wrongPaths(sketch, operation)),
    of(method === 'GET' ? 8 : 1, (sketch) => wrongQueries(sketch, operation)),
    of(1, (sketch) => wrongMethods(sketch, stage.methods.get(path) ?? [])),
    of(2, (sketch) => wrongHeaders(sketch, operation)),
    of(2, (sketch) => wrongTransport(sketch, operation)),
    of(2, asItIs),
  ];
  if (good && body) {
    const broken = fc.tuple(sketches, brokenBodies(good)).map(([sketch, { kind, text }]): Broken => {
      const expect = mayBeValid(text, body) ? 'any' : 'refused';
      return { kind: `body: ${kind}`, expect, sketch: { ...sketch, body: text } };
    });
    kinds.push({ weight: 30, arbitrary: broken });
  }
  const held = good && heldBodies(operation, stage, good);
  if (held) kinds.push({ weight: 4, arbitrary: held });
  const stale = staleBodies(operation, stage);
  if (stale) kinds.push({ weight: 5, arbitrary: stale });
  return fc.oneof(...kinds).map(({ kind, expect, sketch }) => ({
    operation: operation.name,
    kind,
    expect,
    method: sketch.method,
    bytes: bytesOf(sketch),
  }));
}

function goodSketch({ method, path }: Operation, stage: Stage, which: number, value: unknown): Sketch {
  const { targets, key, host } = stage;
  const pick = (list: readonly string[]) => list[which % list.length] ?? '';
  const names: Readonly<Record<string, string>> = {
    reference: pick(which % 2 === 0 ? targets.jobs : targets.numbers),
    id: pick(targets.nodes),
    name: pick(targets.queues),
    file: pick(['docs.css', 'docs.js', 'index.html']),
  };
  const headers: [string, string][] = [
    ['Host', host],
    ['Authorization', `Bearer ${key}`],
  ];
  if (value !== undefined) headers.push(['Content-Type', 'application/json']);
  return {
    method,
    target: path.replace(/\{([^}]+)\}/g, (_, name: string) => names[name] ?? 'unknown'),
    headers,
    ...(value !== undefined ? { body: JSON.stringify(value) } : {}),
  };
}

function knownOf({ jobs, claims, leases, oldTokens, queues }: Targets): Known {
  const known: Readonly<Record<string, readonly unknown[]>> = {
    job_id: jobs,
    lease_token: [...leases.map(({ token }) => token), ...oldTokens],
    claim_id: claims,
    queue: queues,
  };
  return (name) => (Object.hasOwn(known, name) ? (known[name] ?? []) : []);
}

/** Good values for an attempt whose lease stands: these reach every column that such a request may write. */
function heldBodies(
  { name, path, method }: Operation,
  stage: Stage,
  good: fc.Arbitrary<unknown>,
): fc.Arbitrary<Broken> | undefined {
  const list = LISTS_OF_ATTEMPTS[name];
  if (list === undefined) return undefined;
  return fc.tuple(fc.constantFrom(...stage.targets.leases), good).map(([lease, value]): Broken => {
    const { node, job, token } = lease;
    const body = value as Record<string, unknown>;
    const ours = (one: object) => ({ ...one, job_id: job, lease_token: token });
    const items = (body[list] ?? []) as object[];
    const sent =
      list === '' ? { ...body, lease_token: token } : { ...body, [list]: items.slice(0, 1).map(ours) };
    const target = path.replace('{id}', node).replace('{reference}', job);
    return { kind: 'held lease', expect: 'any', sketch: withBody(stage, method, target, sent) };
  });
}

/** Where a body names its attempts; a chunk of a log names one itself. */
const LISTS_OF_ATTEMPTS: Readonly<Record<string, string>> = {
  'POST /api/v1/nodes/{id}/heartbeat': 'attempts',
  'POST /api/v1/nodes/{id}/report': 'results',
  'POST /api/v1/jobs/{reference}/logs': '',
};

function withBody({ host, key }: Stage, method: string, target: string, body: object): Sketch {
  const headers: [string, string][] = [
    ['Host', host],
    ['Authorization', `Bearer ${key}`],
    ['Content-Type', 'application/json'],
  ];
  return { method, target, headers, body: JSON.stringify(body) };
}

/** Well-formed, and with a token that is old, another's, another job's or nobody's. */
function staleBodies({ name, path, method }: Operation, stage: Stage): fc.Arbitrary<Broken> | undefined {
  const { targets } = stage;
  const held = (node: string, job: string, token: number) =>
    targets.leases.some((lease) => lease.node === node && lease.job === job && lease.token === token);
  const tokens = [...targets.leases.map(({ token }) => token), ...targets.oldTokens, 1, 2 ** 31, 2 ** 53 - 1];
  const wrong = fc
    .record({
      node: fc.constantFrom(...targets.nodes),
      job: fc.constantFrom(...targets.leases.map(({ job }) => job), ...targets.jobs, randomUUID()),
      token: fc.constantFrom(...tokens),
    })
    .filter(({ node, job, token }) => !held(node, job, token));
  const sent = (
    what: typeof wrong,
    expect: Expectation,
    write: (one: { node: string; job: string; token: number }) => [string, object],
  ) =>
    what.map((one): Broken => {
      const [target, body] = write(one);
      return { kind: 'wrong token', expect, sketch: withBody(stage, method, target, body) };
    });
  const at = (placeholder: string, id: string) => path.replace(placeholder, id);
  switch (name) {
    case 'POST /api/v1/nodes/{id}/heartbeat':
      return sent(wrong, 'harmless', ({ node, job, token }) => [
        at('{id}', node),
        { attempts: [{ job_id: job, lease_token: token, started: true, progress: 99 }] },
      ]);
    case 'POST /api/v1/nodes/{id}/report':
      return sent(wrong, 'harmless', ({ node, job, token }) => [
        at('{id}', node),
        { results: [{ job_id: job, lease_token: token, status: token % 2 === 0 ? 'completed' : 'failed' }] },
      ]);
    case 'POST /api/v1/jobs/{reference}/logs': {
      // The node is not told here: job and token alone must not fit.
      const nobody = wrong.filter(({ job, token }) => targets.nodes.every((node) => !held(node, job, token)));
      return sent(nobody, 'harmless', ({ job, token }) => [
        at('{reference}', job),
        { lease_token: token, offset: 0, text: 'stolen' },
      ]);
    }
    default:
      return undefined;
  }
}
