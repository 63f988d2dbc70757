/** When a long-running command shall end. */

/**
 * Resolves with the reason at the first SIGTERM or SIGINT, or when the `up` that started this process is
 * gone: its end closes the channel, also when it was killed. A second signal ends the process at once.
 */
export function untilToldToStop(): Promise<string> {
  return new Promise((resolve) => {
    let signals = 0;
    const onSignal = (signal: NodeJS.Signals): void => {
      if (++signals > 1) process.exit(1);
      resolve(signal);
    };
    process.on('SIGTERM', onSignal).on('SIGINT', onSignal);
    if (!isChild()) return;
    process.once('disconnect', () => resolve('its parent is gone'));
    // Listening to the channel would keep a process alive that could not start.
    process.channel?.unref();
    if (!process.connected) resolve('its parent is gone');
  });
}

/** Tells the `up` that started this process, if one did, that it is ready. */
export function reportReady(): void {
  if (isChild() && process.connected) process.send?.('ready', undefined, {}, () => undefined);
}

function isChild(): boolean {
  return process.send !== undefined;
}
