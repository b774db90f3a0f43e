import { readFile } from 'node:fs/promises';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { basename, join } from 'node:path';

export interface FileServer {
  readonly url: string;
  stop(): Promise<void>;
}

/** Serves the scripts of a folder, and a page that runs one of them. */
export async function serveFolder(folder: string, script: string): Promise<FileServer> {
  const server = createServer((request, response) => {
    const name = basename(new URL(request.url ?? '/', 'http://localhost').pathname);
    if (name === '') {
      response.setHeader('content-type', 'text/html');
      response.end(
        `<!doctype html><title>Test</title><script type="module" src="/${script}"></script>`,
      );
      return;
    }
    readFile(join(folder, name)).then(
      text => response.setHeader('content-type', 'text/javascript').end(text),
      () => response.writeHead(404).end(),
    );
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/`,
    async stop() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}
