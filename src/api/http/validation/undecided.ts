/** Not accepted, which is not to say refused: class-validator decides. */
export const UNDECIDED = Symbol('undecided');

/** Answers what class-transformer makes of a value where class-validator would have it, else UNDECIDED. */
export type Accept = (value: unknown) => unknown;
