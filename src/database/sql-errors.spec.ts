import { describe, expect, it } from 'vitest';
import {
  codeOf,
  isConnectionLost,
  isDeadlock,
  isDiskFull,
  isMissingSchema,
  isNotPrimary,
  isPermissionDenied,
  isRetriable,
  isTimeout,
  isTooManyConnections,
  isUniqueViolation,
} from './sql-errors.js';

const sqlstate = (code: string, more: object = {}) => Object.assign(new Error('refused'), { code, ...more });

describe('sql-errors', () => {
  it.each(['08006', '08P01', '57P01', '57P02', '57P03', 'ECONNREFUSED', 'ECONNRESET', 'ENOSERVER'])(
    'takes %s for a lost connection',
    (code) => {
      expect(isConnectionLost(sqlstate(code))).toBe(true);
      expect(isRetriable(sqlstate(code))).toBe(true);
    },
  );

  it.each([
    'Connection terminated',
    'Connection terminated unexpectedly',
    'Connection terminated due to connection timeout',
    'Query read timeout',
    'Client has encountered a connection error and is not queryable',
  ])('takes what pg says without a code for a lost connection: %s', (message) => {
    expect(isConnectionLost(new Error(message))).toBe(true);
  });

  it.each(['23505', '40P01', '57014', '55P03', '53100', '53300', '25006', '22012', '42501'])(
    'does not take %s for a lost connection',
    (code) => expect(isConnectionLost(sqlstate(code))).toBe(false),
  );

  it('tells a server that is no primary', () => {
    expect(isNotPrimary(sqlstate('25006'))).toBe(true);
    expect(isNotPrimary(sqlstate('57P03'))).toBe(true);
    expect(isNotPrimary(sqlstate('57014'))).toBe(false);
  });

  it('tells unique violations, of any or of one constraint', () => {
    const error = sqlstate('23505', { constraint: 'jobs_pkey' });
    expect(isUniqueViolation(error)).toBe(true);
    expect(isUniqueViolation(error, 'jobs_pkey')).toBe(true);
    expect(isUniqueViolation(error, 'nodes_pkey')).toBe(false);
    expect(isUniqueViolation(sqlstate('23503'))).toBe(false);
  });

  it.each([
    [isDeadlock, '40P01'],
    [isTimeout, '57014'],
    [isTimeout, '55P03'],
    [isDiskFull, '53100'],
    [isTooManyConnections, '53300'],
    [isPermissionDenied, '42501'],
    [isMissingSchema, '3F000'],
    [isMissingSchema, '42P01'],
  ])('%o knows %s', (is, code) => {
    expect(is(sqlstate(code))).toBe(true);
    expect(is(sqlstate('22012'))).toBe(false);
    expect(is(new Error('without a code'))).toBe(false);
  });

  it('repeats what may pass, never what is wrong', () => {
    for (const code of ['40001', '40P01', '53100', '53300', '55P03', '57014', '25006']) {
      expect(isRetriable(sqlstate(code))).toBe(true);
    }
    for (const code of ['23505', '42601', '22012', '42501']) expect(isRetriable(sqlstate(code))).toBe(false);
    expect(isRetriable(undefined)).toBe(false);
    expect(codeOf('text')).toBeUndefined();
  });
});
