import { execFile } from 'node:child_process'
import { randomBytes, randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { chown, open, readFile, readlink, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Binaries } from './binaries.ts'
import { placeNewData } from './data-place.ts'
import { postgresEnvironment } from './environment.ts'
import { EmbeddedServerError } from './errors.ts'
import type { ServerPaths } from './paths.ts'
import { initialSettings } from './settings.ts'
import { systemCode } from './system-code.ts'
import { closedFolderHint, spawnAs, type RunAs } from './unprivileged.ts'

const run = promisify(execFile)

/** The superuser of every embedded server. */
export const superuser = 'postgres'

/** The major version that made the cluster, as in `18`; null when there is none yet. */
export async function clusterMajor(paths: ServerPaths): Promise<string | null> {
  try {
    return (await readFile(join(paths.data, 'PG_VERSION'), 'utf8')).trim()
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return null
    throw error
  }
}

/** The superuser's password, as made with the cluster. */
export async function clusterPassword(paths: ServerPaths): Promise<string> {
  try {
    return (await readFile(paths.password, 'utf8')).trim()
  } catch (cause) {
    throw new EmbeddedServerError(
      `The password of the server in ${paths.root} cannot be read from ${paths.password}. Use the folder as the user who made it.`,
      { cause },
    )
  }
}

/**
 * Makes the cluster where there is none: UTF-8, sorted by code point, data checksums on, scram passwords only.
 * It is made beside its place and renamed, so a crash on the way leaves no half cluster.
 *
 * @throws EmbeddedServerError when initdb fails, or the cluster that is there was made by another major version.
 */
export async function ensureCluster(paths: ServerPaths, binaries: Binaries, runAs: RunAs | null): Promise<void> {
  const major = await clusterMajor(paths)
  if (major === binaries.major) return
  if (major !== null) {
    throw new EmbeddedServerError(
      `The data in ${paths.root} was made by PostgreSQL ${major}, and the binaries found are ${binaries.version}. Use PostgreSQL ${major}, or another folder.`,
    )
  }
  await refuseLostData(paths)
  await ensurePassword(paths)
  const { draft, finish } = await placeNewData(paths, runAs)
  await initialise(draft, paths, binaries, runAs)
  await append(join(draft, 'postgresql.conf'), settingLines())
  await finish()
}

async function initialise(draft: string, paths: ServerPaths, binaries: Binaries, runAs: RunAs | null): Promise<void> {
  const passwordFile = `${draft}.password`
  try {
    await writeSecret(passwordFile, await clusterPassword(paths))
    await giveTo(runAs, passwordFile)
    await initdb(draft, passwordFile, binaries, runAs)
  } catch (cause) {
    await rm(draft, { recursive: true, force: true })
    throw new EmbeddedServerError(
      `initdb of PostgreSQL ${binaries.version} failed in ${paths.root}:\n${outputOf(cause)}\n${await closedFolderHint(draft, runAs)}`.trimEnd(),
      { cause },
    )
  } finally {
    await rm(passwordFile, { force: true })
  }
}

async function initdb(data: string, passwordFile: string, binaries: Binaries, runAs: RunAs | null): Promise<void> {
  const options = { ...spawnAs(runAs), cwd: '/', env: postgresEnvironment(), timeout: 120_000 }
  const given = ['-D', data, '-U', superuser, '--pwfile', passwordFile, '--auth', 'scram-sha-256', '-E', 'UTF8', '-k']
  const withLocale = (locale: string): Promise<unknown> =>
    run(binaries.initdb, [...given, `--locale=${locale}`], options)
  if (process.platform === 'win32') await withLocale('C')
  else {
    // Not every system has C.UTF-8. Both sort by code point; C.UTF-8 knows upper and lower case beyond ASCII.
    await withLocale('C.UTF-8').catch(async (error: unknown) => {
      if (!/invalid locale/.test(outputOf(error))) throw error
      await withLocale('C')
    })
  }
}

// A symlink whose target is missing may lead to a disk that is not mounted: that is no reason to begin anew.
async function refuseLostData(paths: ServerPaths): Promise<void> {
  const target = await readlink(paths.data).catch(() => null)
  if (target === null || existsSync(paths.data)) return
  throw new EmbeddedServerError(
    `The data in ${paths.root} is kept in ${target}, which is missing. Bring it back, or delete ${paths.data} to start empty.`,
  )
}

async function ensurePassword(paths: ServerPaths): Promise<void> {
  const existing = await readFile(paths.password, 'utf8').catch((error: unknown) => {
    if (systemCode(error) === 'ENOENT') return ''
    throw error
  })
  if (existing.trim() !== '') return
  const draft = `${paths.password}.${randomUUID()}`
  await writeSecret(draft, randomBytes(24).toString('base64url'))
  await rename(draft, paths.password)
}

async function writeSecret(file: string, secret: string): Promise<void> {
  const handle = await open(file, 'wx', 0o600)
  try {
    await handle.writeFile(`${secret}\n`)
    await handle.chmod(0o600)
    await handle.sync()
  } finally {
    await handle.close()
  }
}

async function append(file: string, text: string): Promise<void> {
  const handle = await open(file, 'a')
  try {
    await handle.writeFile(text)
    await handle.sync()
  } finally {
    await handle.close()
  }
}

async function giveTo(runAs: RunAs | null, path: string): Promise<void> {
  if (runAs !== null) await chown(path, runAs.uid, runAs.gid)
}

function settingLines(): string {
  const lines = Object.entries(initialSettings).map(([name, value]) => `${name} = '${value}'`)
  return `\n# Set when the embedded server was made.\n${lines.join('\n')}\n`
}

function outputOf(error: unknown): string {
  const stderr = error instanceof Error && 'stderr' in error ? String(error.stderr).trim() : ''
  return stderr || (error instanceof Error ? error.message : String(error))
}
