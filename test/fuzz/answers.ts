/** What is wrong with an answer, in a sentence; undefined for a good one. */
import { isOldPath } from '../../src/ffrtmp/wire/old-routes.js';
import type { FuzzRequest } from './fuzz-request.js';
import type { Operation } from './operations.js';
import type { RawAnswer } from './raw-http.js';

export class Judge {
  constructor(
    private readonly operations: ReadonlyMap<string, Operation>,
    /** That no answer may show. */
    private readonly secrets: readonly string[],
  ) {}

  faultOf(request: FuzzRequest, answer: RawAnswer): string | undefined {
    const { status, body } = answer;
    const documented = this.operations.get(request.operation)?.statuses.includes(status) === true;
    if (status >= 500 && !documented) return `the status is ${status}`;
    if (request.expect === 'refused' && (status < 400 || status > 499)) return `it was taken, with ${status}`;
    const told = this.secrets.find((secret) => body.includes(secret));
    if (told !== undefined) return 'the answer holds a secret';
    if (status < 400 || status >= 500 || request.method === 'HEAD') return undefined;
    return isOldPath(pathOf(request)) ? faultOfPlainText(answer) : faultOfProblem(answer);
  }
}

/** As it went over the wire, without its query. */
function pathOf({ bytes }: FuzzRequest): string {
  const line = bytes.subarray(0, bytes.indexOf('\r\n')).toString('utf8');
  return (line.split(' ')[1] ?? '').split('?', 1)[0] ?? '';
}

/** Stacks, statements and names of the database are nobody's business. */
const INSIDE =
  /\n {4}at |node_modules|\/src\/|\/dist\/|\bffmpeg_master\.|\bSELECT\b|\bINSERT INTO\b|SQLSTATE|pg_/;

/** A line of text, or of a wrong method nothing at all. What the server cannot read as HTTP it answers with a problem. */
function faultOfPlainText(answer: RawAnswer): string | undefined {
  const { status, headers, body } = answer;
  const type = headers.get('content-type');
  if (type?.startsWith('application/problem+json')) return faultOfProblem(answer);
  if (status === 405 && type === undefined && body === '') return undefined;
  if (type !== 'text/plain; charset=utf-8') return `${status} of an old route comes as ${type}`;
  if (!/^.+\n$/.test(body)) return `the text of ${status} is ${JSON.stringify(body)}`;
  const inside = INSIDE.exec(body)?.[0];
  return inside === undefined ? undefined : `the text shows what is inside: ${JSON.stringify(inside)}`;
}

function faultOfProblem({ status, headers, body }: RawAnswer): string | undefined {
  const type = headers.get('content-type');
  if (type !== 'application/problem+json; charset=utf-8') return `${status} comes as ${type}`;
  const problem = parsed(body);
  if (!problem) return `the body of ${status} is no JSON`;
  if (problem.status !== status) return `the problem says ${String(problem.status)}, the answer ${status}`;
  for (const name of ['type', 'title', 'detail']) {
    if (typeof problem[name] !== 'string' || problem[name] === '')
      return `the problem of ${status} has no ${name}`;
  }
  if (status === 405 && !headers.has('allow')) return '405 without Allow';
  if (status === 401 && !headers.has('www-authenticate')) return '401 without WWW-Authenticate';
  if (body.length > LONGEST_PROBLEM) return `the problem of ${status} has ${body.length} characters`;
  const inside = INSIDE.exec(body)?.[0];
  return inside === undefined ? undefined : `the problem shows what is inside: ${JSON.stringify(inside)}`;
}

/** An answer must not grow with what was sent: whoever asks a little must not be sent a lot. */
const LONGEST_PROBLEM = 100_000;

function parsed(body: string): Record<string, unknown> | undefined {
  try {
    return JSON.parse(body) as Record<string, unknown>;
  } catch {
    return undefined;
  }
}
