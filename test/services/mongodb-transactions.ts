import { BSON } from 'mongodb';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** A command of a session, as it came from a client. */
export interface SessionCommand {
  readonly name: string;
  /** Which session; undefined for a command without. */
  readonly session: string | undefined;
  /** Whether it belongs to a transaction, and begins one. */
  readonly inTransaction: boolean;
  readonly begins: boolean;
}

export interface TransactionRecorder extends AsyncDisposable {
  readonly url: string;
  /** What clients have sent, but for the greetings of the protocol. */
  readonly commands: readonly SessionCommand[];
  /** The next commit is answered by this error of a server. */
  failNextCommit(error: Record<string, unknown>): void;
  stop(): Promise<void>;
}

const host = '127.0.0.1';
const opMessage = 2013;
const headerBytes = 16;
/** Header, flags and the kind of the first section. */
const bodyOffset = headerBytes + 4 + 1;

/**
 * Stands before a server that knows no transactions (FerretDB) and takes their words out of what clients send. It shows
 * what a driver is told to say and when. It makes no transaction: what one writes is written at once, and stays.
 */
export async function startTransactionRecorder(port: number): Promise<TransactionRecorder> {
  const commands: SessionCommand[] = [];
  const sockets = new Set<Socket>();
  let commitError: Record<string, unknown> | undefined;

  function answer(client: Socket, request: Buffer, document: Record<string, unknown>): void {
    const body = BSON.serialize(document);
    const message = Buffer.alloc(bodyOffset + body.length);
    message.writeInt32LE(message.length, 0);
    message.writeInt32LE(request.readInt32LE(4), 8);
    message.writeInt32LE(opMessage, 12);
    message.set(body, bodyOffset);
    client.write(message);
  }

  function pass(client: Socket, server: Socket, request: Buffer): void {
    if (request.readInt32LE(12) !== opMessage) {
      server.write(request);
      return;
    }
    const bytes = request.readInt32LE(bodyOffset);
    const body = BSON.deserialize(request.subarray(bodyOffset, bodyOffset + bytes), {
      promoteValues: false,
      promoteBuffers: false,
      bsonRegExp: true,
    });
    const { startTransaction, autocommit, ...plain } = body;
    delete plain['txnNumber'];
    const name = Object.keys(body)[0] ?? '';
    if (name !== 'hello' && name !== 'ping' && name !== 'endSessions') {
      const id = (body['lsid'] as { id?: BSON.Binary } | undefined)?.id;
      const inTransaction = autocommit !== undefined;
      const begins = startTransaction !== undefined;
      commands.push({ name, session: id?.toString('hex'), inTransaction, begins });
    }
    if (name === 'commitTransaction' && commitError !== undefined) {
      answer(client, request, commitError);
      commitError = undefined;
    } else if (name === 'commitTransaction' || name === 'abortTransaction') {
      answer(client, request, { ok: 1 });
    } else {
      const kept = BSON.serialize(plain);
      const rest = request.subarray(bodyOffset + bytes);
      const message = Buffer.concat([request.subarray(0, bodyOffset), kept, rest]);
      message.writeInt32LE(message.length, 0);
      server.write(message);
    }
  }

  const listener = createServer({ noDelay: true }, client => {
    const server = connect({ host, port, noDelay: true });
    let received = Buffer.alloc(0);
    client.on('data', chunk => {
      received = Buffer.concat([received, chunk]);
      while (received.length >= 4 && received.length >= received.readInt32LE(0)) {
        const bytes = received.readInt32LE(0);
        pass(client, server, received.subarray(0, bytes));
        received = received.subarray(bytes);
      }
    });
    server.pipe(client);
    for (const [socket, other] of [
      [client, server],
      [server, client],
    ] as const) {
      sockets.add(socket);
      socket.on('error', () => other.destroy());
      socket.on('close', () => {
        sockets.delete(socket);
        other.destroy();
      });
    }
  });
  listener.listen(0, host);
  await once(listener, 'listening');
  const { port: ownPort } = listener.address() as AddressInfo;

  async function stop(): Promise<void> {
    const closed = once(listener, 'close');
    listener.close();
    for (const socket of sockets) socket.destroy();
    await closed;
  }

  return {
    url: `mongodb://${host}:${ownPort}/`,
    commands,
    failNextCommit(error) {
      commitError = error;
    },
    stop,
    [Symbol.asyncDispose]: stop,
  };
}
