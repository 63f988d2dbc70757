import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { ConnectionError, FastifyInstance } from 'fastify';
import { invalid, Problem } from '../../protocol/problem.js';

/** Answers what never became a request, on the bare connection, and ends it. */
export function refuseBrokenRequest(error: ConnectionError, socket: Socket): void {
  // An answer was begun already, or nobody is there to read one.
  const busy = (socket as { _httpMessage?: { headersSent?: boolean } })._httpMessage?.headersSent === true;
  if (error.code === 'ECONNRESET' || socket.destroyed || busy) {
    socket.destroy();
    return;
  }
  const problem = problemOf(error.code);
  const body = JSON.stringify(problem.document());
  socket.end(
    `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status]}\r\n` +
      `Content-Type: application/problem+json; charset=utf-8\r\nContent-Length: ${Buffer.byteLength(body)}\r\n` +
      `Cache-Control: no-store\r\nConnection: close\r\n\r\n${body}`,
    () => socket.destroy(),
  );
}

/** Says in words what Node refuses without one: a missing Host (`requireHostHeader` is off for this) and `Expect`. */
export function refuseInWords(fastify: FastifyInstance): void {
  fastify.addHook('onRequest', ({ headers, raw }, _reply, done) => {
    if (headers.host !== undefined || raw.httpVersion !== '1.1') done();
    else done(invalid('HTTP/1.1 asks for the header `Host`. Send it.'));
  });
  fastify.server.on('checkExpectation', (_request, response) => {
    const detail = 'Nothing but `Expect: 100-continue` can be expected here. Leave the header out.';
    const problem = new Problem({
      status: 417,
      kind: 'expectation-failed',
      title: 'Expectation failed',
      detail,
    });
    response.writeHead(417, {
      'content-type': 'application/problem+json; charset=utf-8',
      'cache-control': 'no-store',
    });
    response.end(JSON.stringify(problem.document()));
  });
}

function problemOf(code: string): Problem {
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') {
    return new Problem({
      status: 408,
      kind: 'request-timeout',
      title: 'Request timeout',
      detail: 'The request did not arrive whole in time. Send it again, or less in one request.',
    });
  }
  if (code === 'HPE_HEADER_OVERFLOW') {
    const detail = 'The headers of the request are too large.';
    return new Problem({ status: 431, kind: 'headers-too-large', title: 'Headers too large', detail });
  }
  const detail = 'The request is not valid HTTP.';
  return new Problem({ status: 400, kind: 'bad-request', title: 'Bad request', detail });
}
