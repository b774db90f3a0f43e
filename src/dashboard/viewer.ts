import type { ServerResponse } from 'node:http';

/** What a viewer may have in its pipe before it is left out: then it gets a whole picture, not the frames it missed. */
const mostUnsent = 256 * 1024;
const patienceMillis = 30_000;

/** One browser that looks, over server-sent events. However slow it is, no more than one frame waits for it. */
export class Viewer {
  readonly focus: string | undefined;
  readonly #response: ServerResponse;
  #behindSince: number | undefined = undefined;
  #lastSent = 0;

  constructor(response: ServerResponse, focus: string | undefined) {
    this.#response = response;
    this.focus = focus;
  }

  /** It has missed frames, and can take one again. */
  get needsAll(): boolean {
    return this.#behindSince !== undefined && this.#response.writableLength === 0;
  }

  sentAgo(now: number): number {
    return now - this.#lastSent;
  }

  /** Sends a frame, or leaves it out. */
  send(type: string, data: string, now: number): void {
    const response = this.#response;
    if (this.#behindSince !== undefined) {
      const isStuck = response.writableLength > 0 && now - this.#behindSince > patienceMillis;
      if (isStuck) response.destroy();
      return;
    }
    if (response.writableLength > mostUnsent) {
      this.#behindSince = now;
      return;
    }
    this.#lastSent = now;
    const sent = response.write(`event: ${type}\ndata: ${data}\n\n`);
    if (!sent && response.writableLength > mostUnsent) this.#behindSince = now;
  }

  /** Sends everything, after which nothing is missing. */
  sendAll(data: string, now: number): void {
    this.#behindSince = undefined;
    this.send('all', data, now);
  }

  end(): void {
    this.#response.end();
  }
}
