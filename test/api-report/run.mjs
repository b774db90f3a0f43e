// The public surface of each entry of `exports`, as text in docs/api-report, so that a change of it is seen in review.
//
//   npm run api         rewrites the reports
//   npm run api:check   fails where a report is not what it would be, or has no entry any more
//
// It reads the declarations in dist: build first.

import { CompilerState, Extractor, ExtractorConfig } from '@microsoft/api-extractor';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';

const root = resolve(import.meta.dirname, '../..');
const reports = join(root, 'docs/api-report');
const temporary = join(root, 'reports/api');
const rewrites = process.argv.includes('--write');

const { exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const entries = Object.entries(exports).filter(([, target]) => target.types !== undefined);
const nameOf = subPath => (subPath === '.' ? 'rxpool' : basename(subPath));
const fileOf = subPath => join(reports, `${nameOf(subPath)}.api.md`);

/** Types of public members that users cannot name: worth a look, no failure. */
const unexported = [];

/** What users of a sub-path import from the core. Its report is made first. */
const coreNames = () =>
  new Set(
    [...readFileSync(fileOf('.'), 'utf8').matchAll(/^export (?:declare )?\w+ (\w+)/gm)].map(
      match => match[1],
    ),
  );

/** One program for all entries. */
let compilerState;

function configOf([subPath, { types }]) {
  const name = nameOf(subPath);
  return ExtractorConfig.prepare({
    configObjectFullPath: join(root, 'api-extractor.json'),
    packageJsonFullPath: join(root, 'package.json'),
    configObject: {
      projectFolder: root,
      mainEntryPointFilePath: join(root, types),
      compiler: { tsconfigFilePath: join(root, 'tsconfig.build.json') },
      apiReport: {
        enabled: true,
        reportFileName: `${name}.api.md`,
        reportFolder: reports,
        reportTempFolder: temporary,
      },
      docModel: { enabled: false },
      dtsRollup: { enabled: false },
      tsdocMetadata: { enabled: false },
      newlineKind: 'lf',
      messages: {
        compilerMessageReporting: { default: { logLevel: 'error' } },
        extractorMessageReporting: {
          default: { logLevel: 'error' },
          'ae-missing-release-tag': { logLevel: 'none' },
          'ae-undocumented': { logLevel: 'none' },
          'ae-unresolved-link': { logLevel: 'none' },
        },
        tsdocMessageReporting: { default: { logLevel: 'none' } },
      },
    },
  });
}

function report([subPath, target]) {
  const name = nameOf(subPath);
  const file = fileOf(subPath);
  // api-extractor takes a report that is not there for one that nobody wants to check.
  if (!existsSync(file)) writeFileSync(file, '');
  const config = configOf([subPath, target]);
  compilerState ??= CompilerState.create(config, {
    additionalEntryPoints: entries.map(([, { types }]) => join(root, types)),
  });
  const { succeeded, apiReportChanged } = Extractor.invoke(config, {
    compilerState,
    localBuild: rewrites,
    messageCallback: message => {
      if (message.messageId === 'ae-forgotten-export') {
        const symbol = /"(\w+)"/.exec(message.text)?.[1];
        if (subPath === '.' || !coreNames().has(symbol)) unexported.push(`${symbol} (${name})`);
        message.logLevel = 'none';
      }
      message.handled = message.logLevel !== 'error';
    },
  });
  if (!rewrites && apiReportChanged) {
    console.error(`${name}.api.md is not the public surface any more: npm run api`);
  }
  return succeeded && (rewrites || !apiReportChanged);
}

mkdirSync(reports, { recursive: true });
mkdirSync(temporary, { recursive: true });
const failed = entries.filter(entry => !report(entry));

const wanted = new Set(entries.map(([subPath]) => `${nameOf(subPath)}.api.md`));
const orphans = readdirSync(reports).filter(file => file.endsWith('.api.md') && !wanted.has(file));
for (const orphan of orphans) {
  if (rewrites) rmSync(join(reports, orphan));
  else console.error(`${orphan} is the report of an entry that is not there: npm run api`);
}

if (unexported.length > 0) console.log(`used, but not exported: ${unexported.join(', ')}`);
if (failed.length > 0 || (!rewrites && orphans.length > 0)) process.exitCode = 1;
else console.log(`${entries.length} reports ${rewrites ? 'written' : 'as they should be'}`);
