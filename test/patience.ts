/** For `vi.waitUntil` and `vi.waitFor`, whose own second is soon over on a busy machine. */
export const patience = { interval: 10, timeout: 20_000 };
