import type { IncomingMessage, RequestListener } from 'node:http';
import type { TLSSocket } from 'node:tls';

/**
 * Puts requests that came without TLS aside: `GET /health` is answered as it is over TLS, anything else is
 * told to come back with https. What it sent is then known to whoever listened, so nothing of it is acted upon.
 */
export function onlyHealthInPlain(answer: RequestListener): RequestListener {
  return (request, response) => {
    if ((request.socket as Partial<TLSSocket>).encrypted === true || isHealth(request)) {
      answer(request, response);
      return;
    }
    // Node reads what is left of the body and throws it away, so the connection stays usable.
    response.writeHead(400, {
      'content-type': 'text/plain; charset=utf-8',
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
    });
    response.end(`This port speaks TLS: use https://${hostOf(request)}\n`);
  };
}

function isHealth({ method, url }: IncomingMessage): boolean {
  return method === 'GET' && url?.split('?')[0] === '/health';
}

/** The host as the client wrote it, where it can be nothing but one. */
function hostOf({ headers: { host = '' } }: IncomingMessage): string {
  return /^[\w.:[\]-]{1,255}$/.test(host) ? host : '…';
}
