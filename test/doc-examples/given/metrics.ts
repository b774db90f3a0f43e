export declare const readiness: { set(isReady: boolean, why: unknown): void };
