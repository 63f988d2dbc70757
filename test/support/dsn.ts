/** Names that global set-up and spec files share. */

/** Database of the test server with all migrations applied; specs copy it. */
export const migratedTemplate = 'template_migrated';

/** The same server and role, another database. */
export function withDatabase(dsn: string, name: string): string {
  const url = new URL(dsn);
  url.pathname = `/${name}`;
  return url.toString();
}

/** Of a spec that measures no time: a shared machine stood still for longer than the 3 s that a server has to answer. */
export function withPatience(dsn: string): string {
  const url = new URL(dsn);
  url.searchParams.set('connect_timeout', '60');
  return url.toString();
}
