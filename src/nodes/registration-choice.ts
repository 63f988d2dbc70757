/** Which record a registering worker gets. Pure; `NodesRepository` runs it under the lock of the name. */

export interface Namesake {
  id: string;
  name: string;
  instance_id: string;
  /** Offline, or not heard of for `timeouts.heartbeat_timeout`. */
  silent: boolean;
}

/** `take`: this record is the worker's; `create`: a new one, under the first free name of the list. */
export type RegistrationChoice = { take: string } | { create: Iterable<string> };

/**
 * The same process gets its record back. Another one takes over the record of a silent namesake, the plain
 * name first, so that restarts of one machine leave one record; else it gets one of its own.
 *
 * @param namesakes all records whose worker gave this name
 */
export function chooseRecord(
  given_name: string,
  instance_id: string,
  namesakes: readonly Namesake[],
): RegistrationChoice {
  const own = namesakes.find((node) => node.instance_id === instance_id);
  if (own) return { take: own.id };
  const silent = namesakes.filter((node) => node.silent).sort((a, b) => rank(a) - rank(b))[0];
  if (silent) return { take: silent.id };
  const taken = new Set(namesakes.map((node) => node.name));
  return { create: freeNames(given_name, taken) };
}

function rank({ name }: Namesake): number {
  return Number(/-([0-9]+)$/.exec(name)?.[1] ?? 1);
}

function* freeNames(given_name: string, taken: ReadonlySet<string>): Generator<string> {
  if (!taken.has(given_name)) yield given_name;
  for (let number = 2; ; number += 1) {
    const name = `${given_name}-${number}`;
    if (!taken.has(name)) yield name;
  }
}
