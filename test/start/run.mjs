// "Start here", word by word: an empty folder, the packed tarball, what npm installs, on each Node that is supported;
// and in a browser. `npm run build` comes first.
//
//   npm run start-guide                 with the versions of rxjs, TypeScript and vite that this repository has
//   npm run start-guide -- --newest     with the newest ones, as a reader gets them today
//   npm run start-guide -- --only 22    on this Node alone

import { execFile, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join, resolve } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import { chromiumPath, openChromium } from '../dashboard/chromium.mjs';
import { compileCommand, fileOf, shellCommands } from './guide.mjs';
import { canHaveOthers, folderOfNode } from './nodes.mjs';

const { values: given } = parseArgs({
  options: {
    newest: { type: 'boolean', default: false },
    only: { type: 'string', multiple: true, default: [] },
  },
});

const root = resolve(import.meta.dirname, '../..');
const execute = promisify(execFile);
const versionHere = name =>
  JSON.parse(readFileSync(join(root, 'node_modules', name, 'package.json'), 'utf8')).version;

const here = {
  rxjs: versionHere('rxjs'),
  typescript: versionHere('@typescript/native'),
  vite: versionHere('vite'),
};
const oldest = { rxjs: '7.8.0', typescript: '5.8.3', vite: here.vite };

/** The oldest that the page allows together, and what there is today. */
const readers = [
  { node: '20.19.0', versions: oldest },
  { node: '22.23.3', versions: here },
  { node: '24.21.0', versions: here },
].filter(({ node }) => given.only.length === 0 || given.only.includes(node.split('.')[0]));

/** Of what `npm run` puts there, nothing may reach the npm of a reader. */
const plainEnvironment = Object.fromEntries(
  Object.entries(process.env).filter(
    ([name]) =>
      !/^(npm_(package|lifecycle|command|config_.*prefix)|INIT_CWD|FORCE_COLOR)/.test(name),
  ),
);

function expectSame(what, actual, expected) {
  if (actual === expected) return;
  throw new Error(`${what} gives\n${actual}\ninstead of\n${expected}`);
}

class Reader {
  #folder = mkdtempSync(join(tmpdir(), 'start-here-'));
  #environment;
  #packages;

  constructor({ node, versions }, tarball) {
    const path = [folderOfNode(node), process.env.PATH].join(delimiter);
    this.#environment = { ...plainEnvironment, PATH: path, NO_COLOR: '1' };
    const chosen = given.newest ? [] : Object.entries(versions);
    this.#packages = new Map([
      ['rxpool', tarball],
      ...chosen.map(([name, version]) => [name, `${name}@${version}`]),
    ]);
  }

  async reads() {
    for (const command of shellCommands) await this.#runs(this.#withVersions(command));
    await this.#savesAndRuns('first.mjs');
    await this.#savesAndRuns('first.cjs');
    await this.#compilesAndRuns('first.mts', 'first.mjs');
    await this.#compilesAndRuns('second.cts', 'second.cjs');
    if (chromiumPath === undefined) {
      console.log('  the page: left out, no Chromium');
      return;
    }
    this.#saves('index.html');
    await this.#opens('npx vite');
    await this.#runs('npx vite build');
    await this.#opens('npx vite preview');
  }

  leaves() {
    rmSync(this.#folder, { recursive: true, force: true });
  }

  /** Installs the package as it would be published, and the others in the versions that were chosen. */
  #withVersions(command) {
    if (!command.startsWith('npm install ')) return command;
    const words = command.split(' ').map(word => this.#packages.get(word) ?? word);
    return [...words, '--no-audit', '--no-fund', '--prefer-offline'].join(' ');
  }

  async #runs(command) {
    const options = { cwd: this.#folder, env: this.#environment };
    return execute('sh', ['-c', command], options).catch(error => {
      throw new Error(`${command} ended with ${error.code}\n${error.stdout}${error.stderr}`);
    });
  }

  #saves(name) {
    writeFileSync(join(this.#folder, name), fileOf(name).code);
  }

  async #savesAndRuns(name) {
    this.#saves(name);
    await this.#prints(name, fileOf(name).prints);
  }

  async #compilesAndRuns(name, compiled) {
    this.#saves(name);
    await this.#runs(compileCommand(name));
    await this.#prints(compiled, fileOf(name).prints);
  }

  async #prints(name, expected) {
    const { stdout, stderr } = await this.#runs(`node ${name}`);
    expectSame(`node ${name}`, stdout + stderr, expected);
    console.log(`  node ${name}: as the page says`);
  }

  async #opens(command) {
    const server = spawn('sh', ['-c', `exec ${command}`], {
      cwd: this.#folder,
      env: this.#environment,
      stdio: ['ignore', 'pipe', 'inherit'],
      detached: true, // so that all that npx starts ends with it
    });
    const ended = new Promise(done => server.once('close', done));
    try {
      const address = await addressToldBy(server, ended);
      expectSame(command, await textOf(address), fileOf('index.html').prints);
      console.log(`  ${command}: the page says what it should`);
    } finally {
      process.kill(-server.pid, 'SIGTERM');
      await ended;
    }
  }
}

async function addressToldBy(server, ended) {
  let told = '';
  const found = new Promise(done => {
    server.stdout.on('data', chunk => {
      told += chunk;
      const address = /(http:\/\/\S+)/.exec(told)?.[1];
      if (address !== undefined) done(address);
    });
  });
  const address = await Promise.race([found, ended.then(() => undefined)]);
  if (address === undefined) throw new Error(`no address was told, but:\n${told}`);
  return address;
}

/** What the page says when it has said all; an error of the page counts, too. */
async function textOf(address) {
  const browser = await openChromium();
  try {
    const page = await browser.newPage();
    const failed = new Promise((_, fail) => page.once('pageerror', fail));
    failed.catch(() => undefined);
    await page.goto(address);
    const lines = fileOf('index.html').prints.split('\n').length - 1;
    const said = page
      .waitForFunction(
        count => document.querySelector('pre')?.textContent.split('\n').length > count,
        lines,
      )
      .then(() => page.locator('pre').textContent());
    return await Promise.race([said, failed]);
  } finally {
    await browser.close();
  }
}

if (!canHaveOthers) {
  console.log('left out: the binaries of Node from npm that are used here are for Linux on x64');
  process.exit(0);
}
const packed = join(root, 'reports/packed');
rmSync(packed, { recursive: true, force: true });
mkdirSync(packed, { recursive: true });
const { stdout } = await execute('npm', ['pack', '--pack-destination', packed], { cwd: root });
const tarball = join(packed, stdout.trim().split('\n').at(-1));

for (const reader of readers) {
  const versions = given.newest
    ? 'the newest of all'
    : Object.entries(reader.versions)
        .map(entry => entry.join(' '))
        .join(', ');
  const startedAt = performance.now();
  console.log(`Node ${reader.node}, ${versions}`);
  const one = new Reader(reader, tarball);
  try {
    await one.reads();
    console.log(`  done in ${((performance.now() - startedAt) / 1_000).toFixed(1)} s`);
  } catch (error) {
    console.error(`  FAILED: ${error.message}`);
    process.exitCode = 1;
  } finally {
    one.leaves();
  }
}
