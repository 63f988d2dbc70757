/** What a fault fails with where another one is in its way: the database is away while this one wants to ask it. */
const IN_THE_WAY =
  /psql|ECONNREFUSED|the database system is|Connection terminated|terminating connection|too many clients|remaining connection slots|takes no writes|no server takes writes|is a standby|nothing to pick from/;

/**
 * By the first line of the message alone: below it stands what a master printed, which is nearly always one of these, and
 * a master that crashed would be taken for a fault that had to wait.
 */
export function isInTheWay(error: unknown): boolean {
  const [line = ''] = (error instanceof Error ? error.message : String(error)).split('\n', 1);
  return IN_THE_WAY.test(line);
}
