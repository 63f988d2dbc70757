/** Names that global set-up and spec files share. */

/** Database of the test server with all migrations applied; specs copy it. */
export const migratedTemplate = 'template_migrated';

/** The same server and role, another database. */
export function withDatabase(dsn: string, name: string): string {
  const url = new URL(dsn);
  url.pathname = `/${name}`;
  return url.toString();
}
