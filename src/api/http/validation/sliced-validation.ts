/**
 * Validates a body that carries a list (1,000 jobs, 1,024 results) some items at a time, with turns of the event
 * loop between: class-validator takes 27 µs for a job, and a whole batch of wrong ones would hold up parked
 * claims, heartbeats and the lock session for as long as it takes.
 *
 * Items that their compiled class accepts are done with. The others are shown to class-validator within the body
 * that they came in, in a list as long as the whole in which, to whoever goes through it, only they stand: so
 * errors, their paths and their order are those of the whole body.
 */
import { setImmediate as turnOfTheEventLoop } from 'node:timers/promises';
import {
  ARRAY_MAX_SIZE,
  ARRAY_MIN_SIZE,
  IS_ARRAY,
  type ValidationError,
  ValidationTypes,
} from 'class-validator';
import { compiledClass, rulesOf } from './compiled-class.js';
import type { Class } from './compiled-field.js';
import { Refusal } from './refusal.js';
import { transformerMetadata } from './transformer-metadata.js';
import { type Accept, UNDECIDED } from './undecided.js';

/** Items shown to class-validator between two turns: about 1 ms of jobs. */
export const SLICE = 32;

/** Of that, what an item costs that its compiled class accepts. */
const ACCEPTED = 1 / 32;

/** How the pipe uses class-transformer and class-validator. */
export interface Libraries {
  instanceOf(Class: Class, plain: unknown): unknown;
  errorsOf(instance: object): Promise<ValidationError[]> | ValidationError[];
}

export interface ItemList {
  /** Of the field that holds it. */
  readonly name: string;
  readonly Item: Class;
  readonly accept: Accept;
}

/** The list of a class whose bodies can be validated in slices: its one field with a list of objects. */
export function itemListOf(Class: Class): ItemList | undefined {
  if (!lists.has(Class)) lists.set(Class, findItemList(Class));
  return lists.get(Class);
}

const lists = new Map<Class, ItemList | undefined>();

function findItemList(Class: Class): ItemList | undefined {
  if (compiledClass(Class) === undefined) return undefined;
  const names = [...rulesOf(Class)].flatMap(([name, rules]) => {
    const constraints = rules.flatMap(({ type, name: rule }) =>
      type === ValidationTypes.CUSTOM_VALIDATION ? [rule ?? ''] : [],
    );
    const nests = rules.some(({ type }) => type === ValidationTypes.NESTED_VALIDATION);
    return nests && constraints.includes(IS_ARRAY) && constraints.every(isOfLength) ? [name] : [];
  });
  const [name] = names;
  if (name === undefined || names.length > 1) return undefined;
  const Item = transformerMetadata().findTypeMetadata(Class, name).typeFunction() as Class;
  const item = compiledClass(Item);
  return item && { name, Item, accept: (value) => item.accept(value) };
}

/** Whether a constraint of a list looks at its length alone, for some of its items are not there. */
function isOfLength(constraint: string): boolean {
  return [IS_ARRAY, ARRAY_MIN_SIZE, ARRAY_MAX_SIZE].includes(constraint);
}

/** Answers the instance; throws the problem document of its wrong fields. */
export async function validateInSlices(
  Class: Class,
  body: Readonly<Record<string, unknown>>,
  { name, Item, accept }: ItemList,
  libraries: Libraries,
): Promise<object> {
  const items = body[name] as readonly unknown[];
  const whole = libraries.instanceOf(Class, { ...body, [name]: [] }) as Record<string, unknown>;
  const slice = new Slice(items.length);
  const refusal = new SlicedRefusal(Class, name);
  const made: unknown[] = [];
  const judge = async () => {
    whole[name] = slice;
    refusal.add(await libraries.errorsOf(whole));
    slice.clear();
  };
  let work = 0;
  for (const [index, item] of items.entries()) {
    const accepted = accept(item);
    made.push(accepted === UNDECIDED ? libraries.instanceOf(Item, item) : accepted);
    if (accepted === UNDECIDED) slice.show(index, made[index]);
    work += accepted === UNDECIDED ? 1 : ACCEPTED;
    if (work < SLICE) continue;
    await judge();
    await turnOfTheEventLoop();
    work = 0;
  }
  await judge();
  refusal.end();
  whole[name] = made;
  return whole;
}

/** A list that tells the length of the whole one and shows some of its items. */
class Slice extends Array<unknown> {
  private readonly shown = new Map<number, unknown>();

  show(index: number, item: unknown): void {
    this.shown.set(index, item);
  }

  clear(): void {
    this.shown.clear();
  }

  /** By this class-validator goes through a list. */
  override forEach(visit: (item: unknown, index: number, list: unknown[]) => void): void {
    for (const [index, item] of this.shown) visit(item, index, this);
  }
}

/** Puts the errors of all slices into the order in which one validation tells them. */
class SlicedRefusal {
  private readonly refusal = new Refusal();
  private readonly order: readonly string[];
  private last: ValidationError[] | undefined;

  constructor(
    Class: Class,
    private readonly list: string,
  ) {
    this.order = [...rulesOf(Class).keys()];
  }

  add(errors: readonly ValidationError[]): void {
    if (this.last === undefined) {
      // Unknown fields, which have no place in the order, are told first.
      const isBehind = ({ property }: ValidationError) => this.placeOf(property) > this.placeOf(this.list);
      this.last = errors.filter(isBehind);
      this.refusal.add(errors.filter((error) => !isBehind(error)));
    } else {
      // All but the items was told with the first slice.
      const items = errors.find(({ property }) => property === this.list)?.children ?? [];
      this.refusal.add(items, this.list);
    }
  }

  /** Throws the problem document, if there were errors. */
  end(): void {
    this.refusal.add(this.last ?? []);
    if (!this.refusal.isEmpty) throw this.refusal.problem();
  }

  private placeOf(property: string): number {
    return this.order.indexOf(property);
  }
}
