/** Callers that each call again as soon as they are answered: how submits are measured, ours and the peers'. */
export interface ClosedLoop {
  readonly callers: number;
  /** No call begins later. */
  readonly seconds?: number;
  /** No more than these. */
  readonly calls?: number;
}

export interface Looped {
  readonly calls: number;
  /** From the first call to the last answer. */
  readonly seconds: number;
}

export async function closedLoop(
  { callers, seconds = Infinity, calls = Infinity }: ClosedLoop,
  call: (caller: number) => Promise<unknown>,
): Promise<Looped> {
  const began = performance.now();
  let sent = 0;
  await Promise.all(
    Array.from({ length: callers }, async (_, caller) => {
      while (sent < calls && performance.now() - began < seconds * 1000) {
        sent += 1;
        await call(caller);
      }
    }),
  );
  return { calls: sent, seconds: (performance.now() - began) / 1000 };
}
