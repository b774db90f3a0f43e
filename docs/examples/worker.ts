// Worker threads for images: pixels move to a thread and back, nothing of them is copied, and the main thread only waits.
import { isMainThread } from 'node:worker_threads';
import { run, serveTasks, transfer, workerPool } from 'rxpool/worker';
import { from, lastValueFrom, map, mergeMap, tap, timer, toArray } from 'rxjs';

interface Job {
  readonly name: string;
  readonly width: number;
  readonly height: number;
  /** Red, green, blue and alpha of each pixel. */
  readonly pixels: Uint8ClampedArray<ArrayBuffer>;
}

interface Done {
  readonly name: string;
  readonly pixels: Uint8ClampedArray<ArrayBuffer>;
  readonly brightness: number;
}

if (isMainThread) await main();
else serveTasks(blackAndWhite);

async function main(): Promise<void> {
  const pool = workerPool<Job, Done>({ name: 'images', worker: new URL(import.meta.url), max: 2 });

  const names = ['harbour', 'meadow', 'street', 'mountain', 'river', 'portrait'];
  let ticks = 0;
  const ticking = timer(0, 1).subscribe(() => (ticks += 1));

  const images = await lastValueFrom(
    from(names).pipe(
      map((name, index) => photograph(name, index)),
      mergeMap(job => run(pool, job, { transfer: [job.pixels.buffer] })),
      tap(({ name, brightness }) => console.log(`${name}: brightness ${brightness.toFixed(1)}`)),
      toArray(),
    ),
  );
  ticking.unsubscribe();

  console.log(`${images.length} images by ${pool.stats.created} threads`); // prints: 6 images by 2 threads
  console.log(ticks > 0 ? 'the main thread ticked all the while' : 'the main thread was blocked');

  // A job that takes too long: leaving it kills its thread, whatever it is in.
  const endless = { ...photograph('endless', 0), height: Infinity };
  await lastValueFrom(run(pool, endless, { signal: AbortSignal.timeout(100) })).catch(
    ({ name }: Error) => console.log(`${name}: the endless job was ended`),
  );
  await pool.close();
  console.log(`threads left: ${pool.state.size}`); // prints: threads left: 0
}

/** The task, in a worker. */
function blackAndWhite({ name, width, height, pixels }: Job) {
  let sum = 0;
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      const at = 4 * (y * width + x);
      const [red = 0, green = 0, blue = 0] = pixels.subarray(at, at + 3);
      const grey = 0.299 * red + 0.587 * green + 0.114 * blue;
      pixels.fill(grey, at, at + 3);
      sum += grey;
    }
  }
  return transfer({ name, pixels, brightness: sum / (width * height) }, [pixels.buffer]);
}

/** Stands in for a file that is decoded. */
function photograph(name: string, seed: number): Job {
  const [width, height] = [640, 480];
  const pixels = new Uint8ClampedArray(4 * width * height);
  for (let at = 0; at < pixels.length; at += 4) {
    const pixel = at / 4;
    pixels[at] = (pixel * (seed + 1)) % 256;
    pixels[at + 1] = Math.floor(pixel / width) % 256;
    pixels[at + 2] = 40 * seed;
    pixels[at + 3] = 255;
  }
  return { name, width, height, pixels };
}
