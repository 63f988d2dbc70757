import { errorCodes, type FastifyInstance } from 'fastify';
import { isOldPath } from '../../ffrtmp/wire/old-routes.js';
import { isDeeper } from '../../protocol/json-depth.js';
import { invalid } from '../../protocol/problem.js';

/** Levels of objects and lists in each other. A batch's deepest value lies at level 6. */
export const MAX_DEPTH = 32;

/**
 * Reads JSON bodies and no others, but for the routes of ffmpeg-rtmp, which get theirs as text, whatever it is called: they
 * read it as Go does. An empty one is no body, so that `POST …/cancel` works with the
 * Content-Type that many clients send always. Deeply nested ones are refused before anything recurses
 * into them, and so are keys named `__proto__`.
 */
export function readJsonBodies(fastify: FastifyInstance): void {
  const parse = fastify.getDefaultJsonParser('error', 'error');
  fastify.removeAllContentTypeParsers();
  fastify.addContentTypeParser<string>('*', { parseAs: 'string' }, (request, body, done) => {
    if (isOldPath(request.routeOptions.url ?? '/')) return done(null, body);
    done(new errorCodes.FST_ERR_CTP_INVALID_MEDIA_TYPE());
  });
  // Fastify refuses a type that is none before it looks for a parser.
  fastify.addHook('onRequest', (request, _reply, done) => {
    if (isOldPath(request.routeOptions.url ?? '/')) delete request.raw.headers['content-type'];
    done();
  });
  fastify.addContentTypeParser<string>('application/json', { parseAs: 'string' }, (request, body, done) => {
    if (body === '') return done(null, undefined);
    void parse(request, body, (error, value: unknown) => {
      if (error) return done(invalid('The body is not valid JSON. Check its quotes, commas and brackets.'));
      if (isDeeper(value, MAX_DEPTH)) {
        return done(invalid(`The body is nested deeper than ${MAX_DEPTH} levels. Send a flatter one.`));
      }
      done(null, value);
    });
  });
}
