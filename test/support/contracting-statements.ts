/**
 * Finds what a migration takes away from masters of the release before: what their statements name, values that they
 * write, or an answer that they count on. It reads text, not the catalog, and errs on the side of asking: what only
 * looks like a contraction is declared as one, with the reason in its words.
 *
 * Indexes that are not unique are free to go: no statement names one, and its lack costs time and never a result. A
 * unique one is what ON CONFLICT infers (42P10 without it), and a promise that code may rest on.
 */

/** What older migrations have made. */
export interface Before {
  /** Names of indexes, without their schema. */
  readonly uniqueIndexes: ReadonlySet<string>;
}

/** The contracting statements of the part that goes up, each in one line. */
export function contractingStatements(sql: string, before: Before): string[] {
  const statements = statementsOf(upPart(sql));
  const own = new Set(statements.flatMap((statement) => madeBy(statement)));
  return statements.filter((statement) => !own.has(subjectOf(statement)) && contracts(statement, before));
}

/** Names of the unique indexes that these migrations make. */
export function uniqueIndexesOf(migrations: readonly string[]): Set<string> {
  const made = migrations.flatMap((sql) =>
    [
      ...upPart(sql).matchAll(
        /\bCREATE\s+UNIQUE\s+INDEX\s+(?:CONCURRENTLY\s+)?(?:IF\s+NOT\s+EXISTS\s+)?([\w.]+)/gi,
      ),
    ].map(([, name = '']) => bare(name)),
  );
  return new Set(made);
}

function contracts(statement: string, { uniqueIndexes }: Before): boolean {
  if (/\bDROP\s+INDEX\b/i.test(statement)) {
    return [...statement.matchAll(/[\w.]+/g)].some(([name]) => uniqueIndexes.has(bare(name)));
  }
  if (/\bALTER\s+INDEX\b/i.test(statement)) return false;
  return CONTRACTING.some((pattern) => pattern.test(statement));
}

const CONTRACTING: readonly RegExp[] = [
  // Whatever a statement may name. DROP TRIGGER, POLICY and RULE only loosen.
  /\bDROP\s+(TABLE|VIEW|MATERIALIZED|SEQUENCE|TYPE|DOMAIN|SCHEMA|FUNCTION|PROCEDURE|ROUTINE|AGGREGATE|EXTENSION|ROLE|OWNED)\b/i,
  // A column, whose keyword may be left out; a key, which ON CONFLICT infers. A check or foreign key only loosens.
  /\bALTER\s+TABLE\b.*\bDROP\s+(?!CONSTRAINT\b|DEFAULT\b|NOT\s+NULL\b|EXPRESSION\b|IDENTITY\b)/is,
  /\bDROP\s+CONSTRAINT\s+(?:IF\s+EXISTS\s+)?(?!\w+_(?:check|fkey)\b)/i,
  // An INSERT that leaves the column out.
  /\bDROP\s+(DEFAULT|IDENTITY|EXPRESSION)\b/i,
  /\bADD\s+(?:COLUMN\s+)?(?:IF\s+NOT\s+EXISTS\s+)?(?!CONSTRAINT\b|CHECK\b)\w+\s+(?:(?!\bDEFAULT\b|\bGENERATED\b|,\s*(?:ADD|ALTER|DROP)\b).)*\bNOT\s+NULL\b(?!\s+(?:DEFAULT|GENERATED)\b)/is,
  // A value that was allowed.
  /\bSET\s+NOT\s+NULL\b/i,
  /\bALTER\s+TABLE\b.*\bADD\s+(CONSTRAINT|CHECK|UNIQUE|PRIMARY|FOREIGN|EXCLUDE)\b/is,
  /\bADD\s+COLUMN\b.*\b(UNIQUE|PRIMARY\s+KEY|REFERENCES)\b/is,
  /\bCREATE\s+UNIQUE\s+INDEX\b/i,
  /\bVALIDATE\s+CONSTRAINT\b/i,
  /\b(ENABLE|FORCE)\s+ROW\s+LEVEL\s+SECURITY\b/i,
  /\bCREATE\s+(?:OR\s+REPLACE\s+)?(?:CONSTRAINT\s+)?TRIGGER\b/i,
  /\bREVOKE\b/i,
  // A type that answers are read by, or a name.
  /\bALTER\s+(?:COLUMN\s+)?\w+\s+(?:SET\s+DATA\s+)?TYPE\b/i,
  /\bRENAME\b/i,
  /\bSET\s+SCHEMA\b/i,
  // Rows.
  /\bTRUNCATE\b/i,
  /\bDELETE\s+FROM\b/i,
  /\bDETACH\s+PARTITION\b/i,
];

/** What this statement makes: others of the same migration may do with it what they like. */
function madeBy(statement: string): string[] {
  const [, name] =
    /^CREATE\s+(?:UNLOGGED\s+)?(?:TABLE|SEQUENCE|FUNCTION|VIEW)\s+(?:IF\s+NOT\s+EXISTS\s+)?([\w.]+)/i.exec(
      statement,
    ) ?? [];
  return name === undefined ? [] : [bare(name)];
}

/** The one table or function that a statement is about; empty where it cannot be told. */
function subjectOf(statement: string): string {
  const [, name] =
    /^(?:ALTER\s+TABLE\s+(?:ONLY\s+)?|CREATE\s+UNIQUE\s+INDEX\s+\w+\s+ON\s+(?:ONLY\s+)?|DELETE\s+FROM\s+|TRUNCATE\s+(?:TABLE\s+)?|REVOKE\s+.*?\s+ON\s+(?:FUNCTION|TABLE|SEQUENCE)\s+)([\w.]+)/is.exec(
      statement,
    ) ?? [];
  return name === undefined ? '' : bare(name);
}

function bare(name: string): string {
  return name.replace(/^ffmpeg_master\./, '');
}

function upPart(sql: string): string {
  return sql.split(/^--\s*Down Migration/im)[0] ?? '';
}

/**
 * Without comments and without the bodies of functions, which run later; those of DO run now, and are read as if they
 * stood alone.
 */
function statementsOf(sql: string): string[] {
  const code = sql.replace(/--[^\n]*/g, '').replace(/\/\*[^]*?\*\//g, '');
  const flat = code.replace(/(\bCREATE\b[^;$]*\b(?:FUNCTION|PROCEDURE)\b[^$]*?)(\$\w*\$)[^]*?\2/gi, '$1');
  return flat
    .split(';')
    .map((statement) => statement.replace(/\s+/g, ' ').trim())
    .filter((statement) => statement !== '');
}
