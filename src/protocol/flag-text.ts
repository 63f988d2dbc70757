import { Transform } from 'class-transformer';
import { IsBoolean } from 'class-validator';

/** A flag in a query: `true` or `false`, and no other spelling. */
export function IsFlagText(): PropertyDecorator {
  const read = Transform(({ value }: { value: unknown }): unknown =>
    value === 'true' ? true : value === 'false' ? false : value,
  );
  const check = IsBoolean();
  return (target, property) => {
    read(target, property);
    check(target, property);
  };
}
