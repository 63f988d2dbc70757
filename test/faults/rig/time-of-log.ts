/** The time of day of the last line that a master or a worker logged, by its own clock, in milliseconds; 0 without any. */
export function timeOfLastLine({ output }: { readonly output: string }): number {
  const times = [...output.matchAll(/"time":("[^"]+"|\d+)/g)].map(([, time = '']) => time);
  const last = times.at(-1) ?? '0';
  return last.startsWith('"') ? Date.parse(last.slice(1, -1)) : Number(last);
}
