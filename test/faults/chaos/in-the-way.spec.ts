import { describe, expect, it } from 'vitest';
import { isInTheWay } from './in-the-way.js';

describe('what a fault of chaos fails with', () => {
  it.each([
    'after 5000 ms still: connect ECONNREFUSED 127.0.0.1:5432',
    'Command failed: /usr/lib/postgresql/15/bin/psql -X -At\npsql: error: connection refused',
    'the database system is starting up',
  ])('is another fault in its way: %j', (message) => {
    expect(isInTheWay(new Error(message))).toBe(true);
  });

  it.each([
    'the master ended:\nconnect ECONNREFUSED 127.0.0.1:5432\nTypeError: undefined is not a function',
    'after 120000 ms still: the master is not ready (503):\nterminating connection due to administrator command',
    'expected 201 to be 200',
  ])('is a failure, whatever a master printed: %j', (message) => {
    expect(isInTheWay(new Error(message))).toBe(false);
  });
});
