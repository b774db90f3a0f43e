import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

/** Who may see the dashboard, and who may turn its knobs. */
export class Access {
  readonly #token: string | undefined;
  readonly #trusted: boolean;
  /** What the cookie holds: it shows that its bearer had the token, and is not the token. */
  readonly #proof: string;
  /** Of its own for each token, because browsers share cookies between the ports of a host. */
  readonly #cookie: string;

  constructor(token: string | undefined, trusted: boolean) {
    this.#token = token;
    this.#trusted = trusted;
    this.#proof = digest(`proof ${token ?? ''}`).toString('base64url');
    this.#cookie = `rxpool-${digest(`name ${token ?? ''}`)
      .toString('hex')
      .slice(0, 8)}`;
  }

  /**
   * Without a token only this machine gets in, and only under a name of this machine: a page elsewhere may have its
   * own name resolve to 127.0.0.1, and would then be of one origin with us. What a proxy passes on comes from anywhere.
   */
  admits(request: IncomingMessage): boolean {
    if (this.#trusted) return true;
    if (this.#token === undefined) {
      const isLocal = isLoopback(nameOf(request.headers.host));
      return isLocal && isLoopback(request.socket.remoteAddress) && !isPassedOn(request);
    }
    const { authorization = '', cookie = '' } = request.headers;
    if (authorization.startsWith('Bearer ') && this.opens(authorization.slice(7))) return true;
    return cookie.split(';').some(part => isSame(part.trim(), `${this.#cookie}=${this.#proof}`));
  }

  get needsToken(): boolean {
    return this.#token !== undefined && !this.#trusted;
  }

  /** Whether this is the token. */
  opens(token: string): boolean {
    return this.#token !== undefined && isSame(token, this.#token);
  }

  /** Lets the page in from now on, without the token in its address. */
  setCookie(): string {
    return `${this.#cookie}=${this.#proof}; HttpOnly; SameSite=Strict`;
  }

  /** Another site's page sent it, as far as a browser tells; a program that is no browser has to say that it means it. */
  isForeign(request: IncomingMessage): boolean {
    const { 'sec-fetch-site': site, origin, host } = request.headers;
    if (site !== undefined) return site !== 'same-origin' && site !== 'none';
    if (origin === undefined) return false;
    return !URL.canParse(origin) || new URL(origin).host !== host;
  }
}

/** `localhost`, 127.0.0.0/8 and ::1, as a name of a host or as an address. */
export function isLoopback(name: string | undefined): boolean {
  if (name === undefined) return false;
  const plain = name.replace(/^\[(.*)\]$/, '$1').replace(/^::ffff:/, '');
  return plain === 'localhost' || plain === '::1' || /^127(?:\.\d{1,3}){3}$/.test(plain);
}

function isPassedOn({ headers }: IncomingMessage): boolean {
  return ['forwarded', 'via', 'x-forwarded-for', 'x-real-ip'].some(name => name in headers);
}

function nameOf(host: string | undefined): string | undefined {
  return host?.replace(/:\d*$/, '').toLowerCase();
}

function isSame(given: string, expected: string): boolean {
  return timingSafeEqual(digest(given), digest(expected));
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
