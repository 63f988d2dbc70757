/**
 * The key in an Authorization header (RFC 6750), or undefined where there is none or no well-formed one.
 * The scheme's case does not matter; the key may hold any character, for MASTER_API_KEY is chosen by people.
 */
export function bearerKey(header: string | undefined): string | undefined {
  return /^bearer +(\S.*)$/i.exec(header ?? '')?.[1]?.trimEnd();
}
