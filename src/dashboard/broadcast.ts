import type { ServerResponse } from 'node:http';
import type { Point } from './pool-feed.js';
import type { Sources } from './sources.js';
import { Viewer } from './viewer.js';

const frameMillis = 250;
const framesPerPoint = 4;
const heartbeatMillis = 2000;
export const mostViewers = 100;

/**
 * Shows all pools to all viewers, four times a second: however many events there are, a frame has the state of the
 * moment and a bounded choice of events, and is written once for all who look at the same. Without a viewer only one
 * point a second is taken, for the charts of whoever comes.
 */
export class Broadcast {
  readonly #sources: Sources;
  readonly #controls: boolean;
  readonly #viewers = new Set<Viewer>();
  readonly #sentCards = new Map<string, string>();
  readonly #sentSeqs = new Map<string, number>();
  readonly #timer: NodeJS.Timeout;
  #frames = 0;

  constructor(sources: Sources, controls: boolean) {
    this.#sources = sources;
    this.#controls = controls;
    this.#timer = setInterval(() => {
      this.#frame();
    }, frameMillis);
    this.#timer.unref();
  }

  get full(): boolean {
    return this.#viewers.size >= mostViewers;
  }

  get viewers(): number {
    return this.#viewers.size;
  }

  add(response: ServerResponse, focus: string | undefined): void {
    const viewer = new Viewer(response, focus);
    this.#viewers.add(viewer);
    response.once('close', () => {
      this.#viewers.delete(viewer);
      if (this.#viewers.size > 0) return;
      this.#sentCards.clear();
      this.#sentSeqs.clear();
    });
    // What happens from now on comes with the frames; what came before, with the whole picture.
    if (focus !== undefined && !this.#sentSeqs.has(focus)) {
      this.#sentSeqs.set(focus, this.#sources.get(focus)?.seq ?? 0);
    }
    response.write('retry: 1000\n\n');
    viewer.sendAll(this.#everything(focus, Date.now()), Date.now());
  }

  close(): void {
    clearInterval(this.#timer);
    for (const viewer of this.#viewers) viewer.end();
    this.#viewers.clear();
  }

  #frame(): void {
    const now = Date.now();
    this.#frames += 1;
    let points: Map<string, Point> | undefined;
    let changed = false;
    if (this.#frames % framesPerPoint === 0) {
      points = new Map();
      changed = this.#sources.refresh();
      for (const feed of this.#sources.feeds) points.set(feed.key, feed.sample(now));
    }
    if (this.#viewers.size === 0) return;
    const cards = this.#changedCards(now);
    const details = new Map<string, string>();
    for (const viewer of this.#viewers) {
      if (changed || viewer.needsAll) {
        viewer.sendAll(this.#everything(viewer.focus, now), now);
        continue;
      }
      if (cards !== '[]') viewer.send('cards', `{"at":${now},"cards":${cards}}`, now);
      const { focus } = viewer;
      if (focus !== undefined) {
        const detail = details.get(focus) ?? this.#detail(focus, points?.get(focus), now);
        details.set(focus, detail);
        if (detail !== '') viewer.send('detail', detail, now);
      }
      if (viewer.sentAgo(now) >= heartbeatMillis) viewer.send('beat', `{"at":${now}}`, now);
    }
  }

  #changedCards(now: number): string {
    const changed: string[] = [];
    for (const feed of this.#sources.feeds) {
      const card = JSON.stringify(feed.card(now));
      if (this.#sentCards.get(feed.key) === card) continue;
      this.#sentCards.set(feed.key, card);
      changed.push(card);
    }
    return `[${changed.join(',')}]`;
  }

  #detail(key: string, point: Point | undefined, now: number): string {
    const feed = this.#sources.get(key);
    if (feed === undefined) return '';
    const detail = feed.detail(now, this.#sentSeqs.get(key) ?? feed.seq);
    this.#sentSeqs.set(key, detail.seq);
    return JSON.stringify({ ...detail, ...(point !== undefined && { points: [point] }) });
  }

  #everything(focus: string | undefined, now: number): string {
    const feeds = [...this.#sources.feeds];
    const focused = focus === undefined ? undefined : this.#sources.get(focus);
    return JSON.stringify({
      at: now,
      controls: this.#controls,
      cards: feeds.map(feed => feed.card(now)),
      ...(focused !== undefined && {
        detail: { ...focused.detail(now, 0), points: focused.points() },
      }),
    });
  }
}
