import { Agent, request } from 'undici';

/** One of the masters, as a client sees it. */
export interface Answer<Body> {
  status: number;
  body: Body;
}

const agent = new Agent({ connections: 512, headersTimeout: 90_000, bodyTimeout: 90_000 });

export async function call<Body = unknown>(
  url: string,
  options: {
    key?: string;
    method?: 'GET' | 'POST' | 'DELETE';
    body?: unknown;
    headers?: Record<string, string>;
  } = {},
): Promise<Answer<Body>> {
  const { key, body, method = body === undefined ? 'GET' : 'POST' } = options;
  const response = await request(url, {
    dispatcher: agent,
    method,
    headers: {
      ...(key && { authorization: `Bearer ${key}` }),
      ...(body !== undefined && { 'content-type': 'application/json' }),
      ...options.headers,
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  const text = await response.body.text();
  const isJson = String(response.headers['content-type']).includes('json');
  return { status: response.statusCode, body: (isJson && text !== '' ? JSON.parse(text) : text) as Body };
}
