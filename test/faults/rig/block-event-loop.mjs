// The debug hook of the fault tests, loaded by `node --import` before a master of theirs and part of no build: SIGUSR2
// blocks the event loop for BLOCK_EVENT_LOOP_MS, as an endless loop or a page that is swapped in would.
const milliseconds = Number(process.env.BLOCK_EVENT_LOOP_MS ?? 10_000);
process.on('SIGUSR2', () => {
  process.stdout.write('{"msg":"the event loop is blocked"}\n');
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds);
  process.stdout.write('{"msg":"the event loop goes on"}\n');
});
