/** There is no such server on this machine. The message is one line that says how to get it. */
export class MissingServerError extends Error {
  override readonly name = 'MissingServerError';

  constructor(server: string, howToGetIt: string) {
    super(`${server} is not installed here. To get it: ${howToGetIt}`);
  }
}
