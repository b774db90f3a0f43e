import type { Browser, LaunchOptions } from 'playwright-core';

/** Where there is a Chromium on this machine; undefined when there is none. `CHROMIUM` names another. */
export const chromiumPath: string | undefined;

/** A browser with a profile of its own, which goes with it. `options` go before those that every launch here has. */
export function openChromium(options?: LaunchOptions): Promise<Browser>;
