import { expect, it } from 'vitest';
import { medianOf } from './figures.js';

it.each([
  [[3], 3],
  [[9, 1, 5], 5],
  [[4, 1, 3, 2], 2.5],
  [[10, 9, 8, 7, 6, 5, 4, 3, 2, 1], 5.5],
])('the median of %j is %d', (samples, median) => {
  expect(medianOf(samples)).toBe(median);
});
