/**
 * Text of one line: no control characters, which terminals obey, and nothing that PostgreSQL refuses
 * (half of a surrogate pair; NUL is a control character).
 */
// eslint-disable-next-line no-control-regex
export const PRINTABLE = /^[^\u0000-\u001f\u007f\p{Surrogate}]*$/u;
