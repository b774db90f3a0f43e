/** Collects what nobody handles: rejections, exceptions and Node's warnings, of too many listeners for example. */
export class Strays implements Disposable {
  readonly found: string[] = [];

  readonly #onRejection = (error: unknown): void => {
    this.found.push(`unhandled rejection: ${String(error)}`);
  };
  readonly #onException = (error: unknown): void => {
    this.found.push(`uncaught exception: ${String(error)}`);
  };
  readonly #onWarning = (warning: Error): void => {
    // It says that a part of Node is new, nothing about us.
    if (warning.name === 'ExperimentalWarning') return;
    this.found.push(`warning of Node: ${warning.message}`);
  };

  constructor() {
    process.on('unhandledRejection', this.#onRejection);
    process.on('uncaughtException', this.#onException);
    process.on('warning', this.#onWarning);
  }

  [Symbol.dispose](): void {
    process.off('unhandledRejection', this.#onRejection);
    process.off('uncaughtException', this.#onException);
    process.off('warning', this.#onWarning);
  }
}
