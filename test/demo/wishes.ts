import { parseArgs } from 'node:util';

/** What the command line asks for. */
export interface Wishes {
  readonly help: boolean;
  /** Infinity: until Ctrl-C. */
  readonly seconds: number;
  readonly port: number | undefined;
}

/** Something the person at the terminal can put right: told in one line. */
export class DemoError extends Error {
  override readonly name = 'DemoError';
}

export const usage = `Usage: npm start -- [--seconds N] [--port N]

Boots a PostgreSQL of its own and shows rxpool at work on it, until Ctrl-C.

  --seconds N   stop after N seconds
  --port N      the port of that PostgreSQL (default: a free one)
  --help        this text

DATABASE_URL=postgres://… uses that server instead; the demo makes one small table there
and drops it at the end.`;

export function readWishes(args: readonly string[]): Wishes {
  const { help = false, seconds, port } = parse(args);
  return {
    help,
    seconds: seconds === undefined ? Infinity : positive('--seconds', seconds),
    port: port === undefined ? undefined : portNumber(port),
  };
}

function parse(args: readonly string[]) {
  const text = { type: 'string' } as const;
  const options = { help: { type: 'boolean' }, seconds: text, port: text } as const;
  try {
    return parseArgs({ args: [...args], options, strict: true }).values;
  } catch (error) {
    const [sentence = ''] = (error as Error).message.split(/\. |\n/);
    throw new DemoError(`${sentence}; --help tells what there is`);
  }
}

function positive(flag: string, value: string): number {
  const number = Number(value);
  if (value.trim() === '' || !(number > 0)) {
    throw new DemoError(`${flag} must be a number above 0, but is "${value}"`);
  }
  return number;
}

function portNumber(value: string): number {
  const number = Number(value);
  if (!Number.isInteger(number) || number < 1 || number > 65_535) {
    throw new DemoError(`--port must be a whole number from 1 to 65535, but is "${value}"`);
  }
  return number;
}
