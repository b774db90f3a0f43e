import type { Browser } from 'playwright-core';

/** Where there is a Chromium on this machine; undefined when there is none. `CHROMIUM` names another. */
export const chromiumPath: string | undefined;

/** A browser with a profile of its own, which goes with it. */
export function openChromium(): Promise<Browser>;
