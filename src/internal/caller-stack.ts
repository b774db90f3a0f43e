/** Deep enough to reach the caller through RxJS and a chain of operators; the usual ten frames are all ours. */
const FRAMES = 50;

/** The stack of now, for a report that is read later. */
export function callerStack(): string | undefined {
  const usual = Error.stackTraceLimit;
  Error.stackTraceLimit = FRAMES;
  const { stack } = new Error('acquired here');
  Error.stackTraceLimit = usual;
  return stack;
}
