/** Walks all routes of a master: guarded, described, and in a valid document. */
import { Validator } from '@seriousme/openapi-schema-validator';
import { describe, expect, it } from 'vitest';
import { controllersOf } from '../../../test/support/request-classes.js';
import { PERMISSIONS } from '../../access/permissions.js';
import { isOldPath } from '../../ffrtmp/wire/old-routes.js';
import { MasterModule } from '../master.module.js';
import { ANSWER_SCHEMAS } from './answer-schemas.js';
import { openApiDocument } from './openapi-document.js';
import { OPERATIONS } from './operations.js';
import { routesOf } from './route-table.js';

const controllers = controllersOf(MasterModule);
const routes = routesOf(controllers);
const nameOf = ({ method, path }: { method: string; path: string }) => `${method} ${path}`;

describe('the routes of a master', () => {
  it('are found: those of jobs, workers, events and probes are there', () => {
    const names = routes.map(nameOf);
    for (const name of [
      'POST /api/v1/jobs',
      'POST /api/v1/nodes/{id}/claim',
      'GET /api/v1/events',
      'GET /health',
    ]) {
      expect(names).toContain(name);
    }
    expect(new Set(names).size).toBe(names.length);
  });

  it('all name a permission, but for the probes and the page to read', () => {
    const open = routes.filter((route) => route.public).map(nameOf);
    expect(open.sort()).toEqual([
      'GET /docs',
      'GET /docs/{file}',
      'GET /health',
      'GET /health/leader',
      'GET /health/live',
      'GET /health/ready',
    ]);
    // Whoever sends a body is asked for the key before the route's own rules are known.
    for (const route of routes.filter((route) => route.public)) expect(route.method).toBe('GET');
    for (const route of routes.filter((route) => !route.public)) {
      expect(PERMISSIONS, nameOf(route)).toContain(route.permission);
    }
  });

  it('are each described, and no other, but for those of ffmpeg-rtmp, whose contract is their document', () => {
    const ours = routes.filter(({ path }) => !isOldPath(path));
    expect(Object.keys(OPERATIONS).sort()).toEqual(ours.map(nameOf).sort());
    expect(routes.length - ours.length).toBe(23);
  });
});

describe('the OpenAPI document', () => {
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- what is there is what is being tested
  const document = openApiDocument(controllers, '1.2.3') as any;

  it('is valid OpenAPI 3.1', async () => {
    const result = await new Validator().validate(structuredClone(document));
    expect(result.errors ?? []).toEqual([]);
    expect(result.valid).toBe(true);
    expect(document.openapi).toBe('3.1.0');
  });

  // The validator knows the shape of a document, not this rule of the specification.
  it('has one path a template: two that differ in the names of their parameters alone are one', () => {
    const templates = Object.keys(document.paths).map((path) => path.replace(/\{[^}]+\}/g, '{}'));
    expect(templates.filter((template, at) => templates.indexOf(template) !== at)).toEqual([]);
  });

  it('has no reference that leads nowhere', () => {
    const text = JSON.stringify(document);
    const names = [...text.matchAll(/"#\/components\/schemas\/([^"]+)"/g)].map(([, name]) => name ?? '');
    expect(names.length).toBeGreaterThan(50);
    for (const name of names) expect(Object.keys(document.components.schemas)).toContain(name);
  });

  it('takes what is sent from the classes that check it', () => {
    const { SubmitJob, SubmitBatch, NodeRegistration } = document.components.schemas;
    expect(SubmitJob.required).toEqual(['scenario']);
    expect(SubmitJob.properties.priority.enum).toEqual(['high', 'medium', 'low']);
    expect(SubmitJob.properties.parameters).toEqual({ $ref: '#/components/schemas/JobParameters' });
    expect(SubmitBatch.properties.jobs).toMatchObject({ minItems: 1, maxItems: 1000 });
    expect(NodeRegistration.properties.slots).toMatchObject({ minimum: 1, maximum: 1024 });
    expect(NodeRegistration.additionalProperties).toBe(false);
    expect(SubmitJob.properties.run_at).toMatchObject({ type: 'string', format: 'date-time' });
  });

  it('shows filters as parameters and what settings are not its business', () => {
    const names = document.paths['/api/v1/jobs'].get.parameters.map(({ name }: { name: string }) => name);
    expect(names).toEqual(expect.arrayContaining(['status', 'queue', 'limit', 'cursor']));
    expect(document.paths['/api/v1/jobs'].get.parameters).toContainEqual(
      expect.objectContaining({
        name: 'created_after',
        schema: expect.objectContaining({ type: 'string', format: 'date-time' }),
      }),
    );
    expect(Object.keys(document.components.schemas)).not.toContain('DatabaseSettings');
    expect(document.paths['/api/v1/jobs'].post.security).toBeUndefined();
    expect(document.paths['/health'].get.security).toEqual([]);
  });

  it('tells each kind of answer of a route that has several', () => {
    const kinds = (path: string) => Object.keys(document.paths[path].get.responses[200].content);
    expect(kinds('/api/v1/jobs/{reference}/events')).toEqual(['application/json', 'text/event-stream']);
    expect(kinds('/docs/{file}')).toEqual(['text/html', 'text/css', 'text/javascript']);
    expect(kinds('/api/v1/jobs/{reference}/logs')).toEqual(['text/plain']);
  });

  it('uses every answer schema', () => {
    const text = JSON.stringify(document);
    for (const name of Object.keys(ANSWER_SCHEMAS)) expect(text).toContain(`"#/components/schemas/${name}"`);
  });
});
