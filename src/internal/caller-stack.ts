/** Deep enough to reach the caller through RxJS and a chain of operators; the usual ten frames are all ours. */
const FRAMES = 50;

/** The stack of now, for a report that is read later. */
export function callerStack(): string | undefined {
  return withFrames(FRAMES, () => new Error('acquired here')).stack;
}

/** Makes an error with so many frames of its stack. */
export function withFrames<E extends Error>(frames: number, make: () => E): E {
  const usual = Error.stackTraceLimit;
  Error.stackTraceLimit = frames;
  const error = make();
  Error.stackTraceLimit = usual;
  return error;
}
