/**
 * Global set-up of the e2e tests: they start `dist/main.js`, so dist has to be what src says. Builds once
 * where any source is newer than the build; a build takes about a second.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '../..');
const SETTINGS = ['.swcrc', 'nest-cli.json', 'package.json', 'tsconfig.json', 'tsconfig.build.json'];

export default function freshBuild(): void {
  const built = join(ROOT, 'dist/main.js');
  if (existsSync(built) && statSync(built).mtimeMs >= newestSource()) return;
  execFileSync('npm', ['run', '--silent', 'build'], { cwd: ROOT, stdio: ['ignore', 'inherit', 'inherit'] });
}

/** Folders count too: their time changes when a file is deleted. */
function newestSource(): number {
  const sources = readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' })
    .filter((name) => !name.endsWith('.spec.ts'))
    .map((name) => join('src', name));
  return Math.max(...[...SETTINGS, ...sources].map((name) => statSync(join(ROOT, name)).mtimeMs));
}
