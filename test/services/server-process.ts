import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  mkdtempSync,
  openSync,
  readFileSync,
  realpathSync,
  rmSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { account, giveToAccount } from './account.js';

const startTimeoutMillis = 30_000;
const signalTimeoutMillis = 5_000;

// $1: the directory, $2: the process to end, if any. Its exit cannot be seen from here, because it may
// stay a zombie until our parent has ended, and until its exit it may still write.
const cleanUp = `
  [ -z "$2" ] || kill -KILL "$2"
  tries=0
  while [ -d "$1" ] && [ "$tries" -lt 100 ]; do
    rm -rf "$1" || sleep 0.05
    tries=$((tries + 1))
  done`;

// Reads which process runs, one line per change, and cleans up when the pipe closes.
const guardScript = `while read -r line; do server=$line; done; set -- "$1" "$server"; ${cleanUp}`;

/** What a launch writes to its log, and what that means. */
export interface LaunchSigns {
  readonly ready: string;
  readonly portTaken: string;
}

/** A directory and at most one process in it, neither of which survives us, whatever ends us. */
export class ServerProcess {
  readonly directory: string;
  readonly #logFile: string;
  readonly #guard;
  #process: ChildProcess | undefined = undefined;
  #stopping: Promise<void> | undefined = undefined;
  readonly #cleanUpNow = (): void => {
    const pid = this.isRunning ? String(this.pid) : '';
    spawnSync('/bin/sh', ['-c', cleanUp, 'rxpool-exit', this.directory, pid]);
  };

  constructor(name: string) {
    this.directory = mkdtempSync(join(realpathSync(tmpdir()), `rxpool-${name}-`));
    this.#logFile = join(this.directory, 'log');
    const title = `rxpool-${name}-guard`;
    // It outlives this process, so nothing stays behind after SIGINT, SIGKILL or a crash either.
    this.#guard = spawn('/bin/sh', ['-c', guardScript, title, this.directory], {
      cwd: '/',
      detached: true,
      stdio: ['pipe', 'ignore', 'ignore'],
    });
    this.#guard.unref();
    this.#guard.stdin.on('error', () => undefined); // somebody ended the guard: the exit hook remains
    process.on('exit', this.#cleanUpNow);
    giveToAccount(this.directory);
  }

  /** Of the running process, or of the last one. */
  get pid(): number {
    return this.#process?.pid ?? 0;
  }

  get isRunning(): boolean {
    return this.#process !== undefined && isRunning(this.#process);
  }

  get log(): string {
    return readFileSync(this.#logFile, 'utf8');
  }

  /** Runs a program to its end. */
  async run(program: string, parameters: readonly string[]): Promise<void> {
    const child = this.#spawn(program, parameters);
    await once(child, 'exit');
    if (child.exitCode !== 0) throw this.#failure(`${program} failed`);
  }

  /** Resolves when the program is ready; false when its port is taken. */
  async launch(
    program: string,
    parameters: readonly string[],
    signs: LaunchSigns,
    signal?: AbortSignal,
  ): Promise<boolean> {
    const launched = this.#spawn(program, parameters);
    const deadline = Date.now() + startTimeoutMillis;
    // Its log, not its port, says when it is ready: on a taken port somebody else would answer.
    while (!this.log.includes(signs.ready)) {
      signal?.throwIfAborted();
      if (!isRunning(launched)) {
        if (this.log.includes(signs.portTaken)) return false;
        throw this.#failure(`${program} did not start`);
      }
      if (Date.now() > deadline) throw this.#failure(`${program} was not ready in time`);
      await sleep(5);
    }
    launched.unref(); // a forgotten stop() does not hold us: the exit hook cleans up
    return true;
  }

  /** Sends the signals in turn, each after the one before was not enough. */
  async end(...signals: readonly NodeJS.Signals[]): Promise<void> {
    for (const next of signals) {
      if (this.#process === undefined || !this.isRunning) return;
      this.#process.ref();
      this.#process.kill(next);
      const patience = AbortSignal.timeout(signalTimeoutMillis);
      await once(this.#process, 'exit', { signal: patience }).catch(() => undefined);
    }
  }

  /** Ends the process and deletes the directory; idempotent. */
  stop(): Promise<void> {
    return (this.#stopping ??= this.#stop());
  }

  async #stop(): Promise<void> {
    await this.end('SIGTERM', 'SIGKILL');
    rmSync(this.directory, { recursive: true, force: true });
    this.#guard.ref();
    this.#guard.stdin.end();
    if (isRunning(this.#guard)) await once(this.#guard, 'exit');
    process.off('exit', this.#cleanUpNow);
  }

  #spawn(program: string, parameters: readonly string[]): ChildProcess {
    const log = openSync(this.#logFile, 'w'); // emptied: it explains this launch only
    try {
      const child = spawn(program, parameters, {
        ...account,
        cwd: this.directory,
        detached: true, // a Ctrl-C in the terminal is for the program, which may want to drain first
        stdio: ['ignore', log, log],
      });
      this.#process = child;
      this.#guard.stdin.write(`${String(child.pid)}\n`);
      child.once('exit', () => this.#guard.stdin.write('\n'));
      return child;
    } finally {
      closeSync(log);
    }
  }

  #failure(what: string): Error {
    return new Error(`${what}:\n${this.log.trim()}`);
  }
}

function isRunning(process: ChildProcess): boolean {
  return process.pid !== undefined && process.exitCode === null && process.signalCode === null;
}

/** The program of one of these names; servers often are where only root looks for programs. */
export function findProgram(...names: readonly string[]): string | undefined {
  const folders = [...(process.env['PATH'] ?? '').split(':'), '/usr/sbin', '/usr/local/sbin'];
  const paths = names.flatMap(name => folders.map(folder => join(folder, name)));
  return paths.find(path => {
    if (!existsSync(path)) return false;
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** Below the range from which clients get theirs, so that a restart finds it free again. */
export function anyPort(): number {
  return randomInt(20_000, 32_768);
}
