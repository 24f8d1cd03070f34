// Builds the native module and puts it beside index.js: `npm run build`, and before each `npm pack`.
import { execFileSync } from 'node:child_process';
import { copyFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const cargo = (...args) =>
  execFileSync('cargo', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'], maxBuffer: 2 ** 28 });

const manifest = here('Cargo.toml');
cargo('build', '--release', '--locked', '--manifest-path', manifest);
const metadata = cargo('metadata', '--format-version', '1', '--no-deps', '--locked', '--manifest-path', manifest);
copyFileSync(`${JSON.parse(metadata).target_directory}/release/libpuro_node.so`, here('puro.node'));
