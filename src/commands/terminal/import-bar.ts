/** How far an import is: a bar on a terminal, a line each tenth where there is none. */
import { Presets, SingleBar } from 'cli-progress';

export interface ImportBar {
  readonly show: (phase: 'import' | 'compare', jobs: number, of: number) => void;
  stop(): void;
}

export function importBar(stream: NodeJS.WriteStream): ImportBar {
  let phase = '';
  let told = -1;
  let bar: SingleBar | undefined;
  const stop = (): void => {
    bar?.stop();
    bar = undefined;
  };
  return {
    show: (next, jobs, of) => {
      if (next !== phase) {
        stop();
        [phase, told] = [next, -1];
        if (stream.isTTY) {
          const format = `${next} {bar} {percentage}% {value} of {total} jobs, {eta_formatted} left`;
          bar = new SingleBar({ format, stream, hideCursor: true, barsize: 28 }, Presets.shades_classic);
          bar.start(of, 0);
        }
      }
      bar?.update(jobs);
      const tenth = of === 0 ? 10 : Math.floor((jobs * 10) / of);
      if (bar === undefined && tenth > told) stream.write(`${next}: ${jobs} of ${of} jobs\n`);
      told = Math.max(told, tenth);
    },
    stop,
  };
}
