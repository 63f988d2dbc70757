/** How far an import is: a bar on a terminal, a line each tenth where there is none. */
import { Presets, SingleBar } from 'cli-progress';

export interface ImportBar {
  readonly show: (jobs: number, of: number) => void;
  stop(): void;
}

export function importBar(stream: NodeJS.WriteStream): ImportBar {
  let told = -1;
  let bar: SingleBar | undefined;
  return {
    show: (jobs, of) => {
      if (stream.isTTY && bar === undefined) {
        const format = 'import {bar} {percentage}% {value} of {total} jobs, {eta_formatted} left';
        bar = new SingleBar({ format, stream, hideCursor: true, barsize: 28 }, Presets.shades_classic);
        bar.start(of, 0);
      }
      bar?.update(jobs);
      const tenth = of === 0 ? 10 : Math.floor((jobs * 10) / of);
      if (bar === undefined && tenth > told) stream.write(`import: ${jobs} of ${of} jobs\n`);
      told = Math.max(told, tenth);
    },
    stop: () => bar?.stop(),
  };
}
