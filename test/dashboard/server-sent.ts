import { request, type IncomingMessage, type RequestOptions } from 'node:http';

export interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly text: string;
}

/** One request with exactly these headers, `host` included; redirects are not followed. */
export function ask(
  url: string,
  { body, ...options }: RequestOptions & { body?: string } = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = request(url, { agent: false, ...options }, response => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => (text += chunk));
      response.on('error', reject);
      response.on('end', () => {
        resolve({ status: response.statusCode ?? 0, headers: response.headers, text });
      });
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

/** A stream of server-sent events, read one by one. */
export class EventReader {
  /** All that came, as it came. */
  text = '';
  ended = false;
  #read = 0;
  #wake: () => void = () => undefined;
  readonly #response: IncomingMessage;

  private constructor(response: IncomingMessage) {
    this.#response = response;
    response.setEncoding('utf8');
    response.on('data', (chunk: string) => {
      this.text += chunk;
      this.#wake();
    });
    const end = (): void => {
      this.ended = true;
      this.#wake();
    };
    response.on('close', end);
    response.on('error', end);
  }

  static open(url: string, options: RequestOptions = {}): Promise<EventReader> {
    return new Promise((resolve, reject) => {
      const sent = request(url, { agent: false, ...options }, response => {
        resolve(new EventReader(response));
      });
      sent.on('error', reject);
      sent.end();
    });
  }

  get headers(): IncomingMessage['headers'] {
    return this.#response.headers;
  }

  get status(): number {
    return this.#response.statusCode ?? 0;
  }

  /** The data of the next event of a type; those before it are passed over. */
  async next<V>(type: string, wanted: (data: V) => boolean = () => true): Promise<V> {
    for (;;) {
      const end = this.text.indexOf('\n\n', this.#read);
      if (end === -1) {
        if (this.ended) throw new Error(`the stream ended before '${type}'`);
        await new Promise<void>(resolve => (this.#wake = resolve));
        continue;
      }
      const event = this.text.slice(this.#read, end);
      this.#read = end + 2;
      const [, name, data] = /^event: (.*)\ndata: (.*)$/.exec(event) ?? [];
      if (name !== type || data === undefined) continue;
      const value = JSON.parse(data) as V;
      if (wanted(value)) return value;
    }
  }

  /** Resolves when the server has ended the stream. */
  async end(): Promise<void> {
    while (!this.ended) await new Promise<void>(resolve => (this.#wake = resolve));
  }

  close(): void {
    this.#response.destroy();
  }
}
