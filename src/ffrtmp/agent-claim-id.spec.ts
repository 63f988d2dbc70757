import { isUUID } from 'class-validator';
import { randomUUID } from 'node:crypto';
import { uuidv7 } from 'uuidv7';
import { expect, it } from 'vitest';
import { isAgentsClaim, isClaimOf, newClaimId } from './agent-claim-id.js';

it('is a UUID, and another one each time', () => {
  const ids = Array.from({ length: 100 }, () => newClaimId('10.0.0.7'));
  expect(ids.every((id) => isUUID(id, 8))).toBe(true);
  expect(new Set(ids).size).toBe(100);
});

it('tells the address that it was made for', () => {
  const id = newClaimId('10.0.0.7');
  expect(isClaimOf(id, '10.0.0.7')).toBe(true);
  expect(isClaimOf(id, '::ffff:10.0.0.7')).toBe(true);
  expect(isClaimOf(id, '10.0.0.8')).toBe(false);
  expect(isClaimOf(newClaimId('::1'), '::1')).toBe(true);
});

it('is told from those that workers send', () => {
  expect(isAgentsClaim(newClaimId('::1'))).toBe(true);
  for (const id of [randomUUID(), uuidv7()]) expect(isAgentsClaim(id)).toBe(false);
});
