import { describe, expect, it } from 'vitest';
import { chooseRecord, type Namesake } from './registration-choice.js';

describe('the record of a registering worker', () => {
  it('is a new one under its own name where nobody has it', () => {
    expect(choice('new', [])).toEqual({ create: ['gpu', 'gpu-2', 'gpu-3'] });
  });

  it('is the one it had', () => {
    expect(choice('mine', [node('gpu', 'other', true), node('gpu-2', 'mine', false)])).toEqual({
      take: 'gpu-2',
    });
  });

  it('is that of a silent namesake, the plain name first', () => {
    const namesakes = [node('gpu-10', 'c', true), node('gpu-2', 'b', true), node('gpu', 'a', true)];
    expect(choice('new', namesakes)).toEqual({ take: 'gpu' });
    expect(choice('new', [node('gpu', 'a', false), ...namesakes.slice(0, 2)])).toEqual({ take: 'gpu-2' });
  });

  it('is a new one with the first free number beside live namesakes', () => {
    const namesakes = [node('gpu', 'a', false), node('gpu-3', 'c', false)];
    expect(choice('new', namesakes)).toEqual({ create: ['gpu-2', 'gpu-4', 'gpu-5'] });
  });
});

function node(name: string, instance_id: string, silent: boolean): Namesake {
  return { id: name, name, instance_id, silent };
}

/** The first three names suffice. */
function choice(instance_id: string, namesakes: Namesake[]) {
  const chosen = chooseRecord('gpu', instance_id, namesakes);
  if ('take' in chosen) return chosen;
  const names = chosen.create[Symbol.iterator]();
  return { create: [1, 2, 3].map(() => names.next().value as string) };
}
