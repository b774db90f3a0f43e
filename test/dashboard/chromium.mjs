import { existsSync } from 'node:fs';
import { chromium } from 'playwright-core';

const candidates = [process.env['CHROMIUM'], '/usr/bin/chromium', '/usr/bin/chromium-browser'];

export const chromiumPath = candidates.find(path => path !== undefined && existsSync(path));

export function openChromium(options = {}) {
  return chromium.launch({
    executablePath: chromiumPath,
    headless: true,
    chromiumSandbox: false,
    // Without a network, what a browser does in the background fails over and over.
    args: [
      ...['--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking'],
      ...['--disable-component-update', '--disable-sync'],
    ],
    ...options,
  });
}
