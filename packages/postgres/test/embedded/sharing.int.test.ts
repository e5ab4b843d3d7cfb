import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import pg from 'pg'
import { expect, onTestFinished, test, vi } from 'vitest'
import { startEmbedded } from '../../src/embedded/index.ts'
import { serverPaths } from '../../src/embedded/paths.ts'
import { isRunning, markOf, signal, type ProcessMark } from '../../src/embedded/processes.ts'
import { readState } from '../../src/embedded/state.ts'
import { stopUnused } from '../../src/embedded/stop-unused.ts'
import { eventually, gone, listens, longQuery, query, temporaryFolder, UserProcess } from './support.ts'

// A test starts up to four processes and two clusters: 3 s on an idle machine, 36 s with 24 processes waiting for its 2 cores.
vi.setConfig({ testTimeout: 180_000 })

function watchdogOf(folder: string): ProcessMark {
  const { watchdog } = readState(serverPaths(folder))
  if (!watchdog) throw new Error('no watchdog')
  return watchdog
}

test('processes that start the same folder at once share one server, and the last to leave stops it', async () => {
  const folder = await temporaryFolder()
  const users = Array.from({ length: 4 }, () => new UserProcess({ folder }))
  const servers = await Promise.all(users.map(async (user) => await user.started()))
  expect(new Set(servers.map(({ pid }) => pid)).size).toBe(1)
  expect(new Set(servers.map(({ url }) => url)).size).toBe(1)
  const [first, second, third, last] = users
  const { pid, port } = servers[0] ?? { pid: 0, port: 0 }
  await first?.query('create table shared as select 42 n')
  await Promise.all([first?.stop(), second?.stop(), third?.stop()])
  expect(await last?.query('select n from shared')).toEqual([{ n: 42 }])
  expect(markOf(pid)?.pid).toBe(pid)
  const watchdog = watchdogOf(folder)
  await last?.stop()
  expect(markOf(pid)).toBeNull()
  expect(isRunning(watchdog)).toBe(false)
  expect(await listens(port)).toBe(false)
})

test.each(['exit', 'end'] as const)('a last user that leaves by %s without stop stops the server too', async (how) => {
  const folder = await temporaryFolder()
  const [one, two] = [new UserProcess({ folder }), new UserProcess({ folder })]
  const { pid } = await one.started()
  await two.started()
  // Without its watchdog there is nobody but the leaving process to stop the server.
  const watchdog = watchdogOf(folder)
  signal(watchdog, 'SIGKILL')
  await one.leaveBy(how)
  expect(await two.query('select 1 n')).toEqual([{ n: 1 }])
  await two.leaveBy(how)
  await gone(pid)
  expect(existsSync(join(folder, 'data', 'postmaster.pid'))).toBe(false)
})

test('when the process that started it is killed, the others keep the server', async () => {
  const folder = await temporaryFolder()
  const starter = new UserProcess({ folder })
  const { pid } = await starter.started()
  const other = new UserProcess({ folder })
  expect((await other.started()).pid).toBe(pid)
  await starter.kill()
  expect(await other.query('select 1 n')).toEqual([{ n: 1 }])
  const late = new UserProcess({ folder })
  expect((await late.started()).pid).toBe(pid)
  await late.stop()
  expect(await other.query('select 2 n')).toEqual([{ n: 2 }])
  await other.stop()
  expect(markOf(pid)).toBeNull()
})

test('when all users are killed, the watchdog stops the server cleanly and ends', async () => {
  const folder = await temporaryFolder()
  const users = [new UserProcess({ folder }), new UserProcess({ folder })]
  const [server] = await Promise.all(users.map(async (user) => await user.started()))
  const watchdog = watchdogOf(folder)
  await Promise.all(users.map(async (user) => await user.kill()))
  await gone(server?.pid ?? 0)
  await gone(watchdog.pid)
  expect(await readFile(join(folder, 'server.log'), 'utf8')).toMatch(/database system is shut down\n$/)
  expect(await readdir(join(folder, 'users'))).toEqual([])
})

test('a user that comes while nobody is left finds the server still up, and keeps it', async () => {
  const folder = await temporaryFolder()
  const first = new UserProcess({ folder })
  const { pid } = await first.started()
  const watchdog = watchdogOf(folder)
  await first.kill()
  const second = new UserProcess({ folder })
  expect((await second.started()).pid).toBe(pid)
  expect(watchdogOf(folder)).toEqual(watchdog)
  await second.stop()
})

test('the watchdog stops nothing that is used by the time it has the lock', async () => {
  const paths = serverPaths(await temporaryFolder())
  const user = new UserProcess({ folder: paths.root })
  const { pid } = await user.started()
  expect(await stopUnused(paths, 1_000)).toBe(false)
  expect(await user.query('select 1 n')).toEqual([{ n: 1 }])
  await user.kill()
  expect(await stopUnused(paths, 5_000)).toBe(true)
  expect(markOf(pid)).toBeNull()
})

test('a watchdog that was killed is replaced at the next start', async () => {
  const folder = await temporaryFolder()
  const first = new UserProcess({ folder })
  const { pid } = await first.started()
  const lost = watchdogOf(folder)
  signal(lost, 'SIGKILL')
  await gone(lost.pid)
  const second = new UserProcess({ folder })
  await second.started()
  const watchdog = watchdogOf(folder)
  expect(watchdog.pid).not.toBe(lost.pid)
  await first.kill()
  await second.kill()
  await gone(pid)
  await gone(watchdog.pid)
})

test('deleting the folder of a running server ends the server', async () => {
  const folder = join(await temporaryFolder(), 'deleted')
  const user = new UserProcess({ folder })
  const { pid } = await user.started()
  const watchdog = watchdogOf(folder)
  await rm(folder, { recursive: true, force: true, maxRetries: 10 })
  // PostgreSQL looks for itself too, once a minute; the watchdog is quicker.
  await eventually('the server has ended', () => markOf(pid) === null, 30_000)
  await gone(watchdog.pid)
})

test('a crashed server is started again by the next user, for those who stayed', async () => {
  const folder = await temporaryFolder()
  const stayed = new UserProcess({ folder, settings: { work_mem: '5MB' } })
  const { pid, port } = await stayed.started()
  await stayed.query('create table kept as select 1 n')
  const crashed = markOf(pid)
  if (crashed !== null) signal(crashed, 'SIGKILL')
  await gone(pid)
  const next = new UserProcess({ folder })
  const again = await next.started()
  expect(again.port).toBe(port)
  expect(again.pid).not.toBe(pid)
  expect(await stayed.query(`select n, current_setting('work_mem') from kept`)).toEqual([
    { n: 1, current_setting: '5MB' },
  ])
  await next.stop()
  await stayed.stop()
})

interface Stale {
  readonly pid: number
  readonly startedAt: string
}

/** Writes what a crash leaves in the folder, all of it with a pid that is something else by now. */
async function leaveBehind(folder: string, port: number, stale: Stale): Promise<void> {
  const { pid } = stale
  const pidFile = [pid, join(folder, 'data'), '1', port, '', '127.0.0.1', '  0  0', 'ready   ', '']
  const state = { port, server: { ...stale, settings: {}, binaries: '' }, watchdog: stale }
  await writeFile(join(folder, 'data', 'postmaster.pid'), pidFile.join('\n'))
  await writeFile(join(folder, 'users', `${pid}.${stale.startedAt}.abc`), '')
  await writeFile(join(folder, 'lock'), JSON.stringify({ ...stale, nonce: 'stale' }))
  await writeFile(join(folder, 'acuse.json'), JSON.stringify(state))
}

interface Spoken {
  readonly child: ChildProcess
  readonly pid: number
}

/** Runs a shell script, which says a pid, as the very user the server runs as: only then does PostgreSQL itself mistake it for its predecessor. */
async function asServerUser(folder: string, script: string): Promise<Spoken> {
  const { uid, gid } = await stat(join(folder, 'data'))
  const child = spawn('sh', ['-c', script], { ...(process.getuid?.() === 0 ? { uid, gid } : {}), cwd: '/' })
  onTestFinished(() => void child.kill('SIGKILL'))
  const [pid]: unknown[] = await once(child.stdout, 'data')
  return { child, pid: Number(String(pid)) }
}

test('leftovers whose pid now belongs to another program are not taken for users, server or lock', async () => {
  const folder = await temporaryFolder()
  const before = await startEmbedded({ folder })
  await before.stop()
  const { child, pid } = await asServerUser(folder, 'echo $$; exec sleep 300')
  await leaveBehind(folder, before.port, { pid, startedAt: '1' })
  const server = await startEmbedded({ folder })
  expect(server.pid).not.toBe(pid)
  expect(await query(server.url(), 'select 1 n')).toEqual([{ n: 1 }])
  const { pid: started } = server
  await server.stop()
  expect(markOf(started)).toBeNull()
  expect(child.exitCode ?? child.signalCode).toBeNull()
})

test('leftovers of processes that ended but were not reaped are recovered from', async () => {
  const folder = await temporaryFolder()
  const before = await startEmbedded({ folder })
  await before.stop()
  // The parent of the one that ends does not ask how it ended; the shell that it was before might have.
  const { child, pid } = await asServerUser(folder, 'sleep 300 & echo $!; exec sleep 300')
  const isShell = (): boolean => !readFileSync(`/proc/${child.pid}/comm`, 'utf8').startsWith('sleep')
  await eventually('the shell has become sleep', () => !isShell())
  process.kill(pid, 'SIGKILL')
  await gone(pid)
  expect(() => process.kill(pid, 0)).not.toThrow()
  await leaveBehind(folder, before.port, { pid, startedAt: '1' })
  const server = await startEmbedded({ folder })
  expect(await query(server.url(), 'select 1 n')).toEqual([{ n: 1 }])
  await server.stop()
})

test('a child that outlives a crashed server in its query does not keep the next one from starting', async () => {
  const server = await startEmbedded({ folder: await temporaryFolder() })
  onTestFinished(async () => await server.stop())
  const busy = new pg.Client({ connectionString: server.url() })
  busy.on('error', () => undefined)
  await busy.connect()
  const { rows } = await busy.query<{ pid: number }>('select pg_backend_pid() pid')
  const ended = busy.query(longQuery).catch(() => 'ended')
  const { pid } = server
  process.kill(pid, 'SIGKILL')
  await gone(pid)
  expect(markOf(rows[0]?.pid ?? 0)).not.toBeNull()
  await server.start()
  expect(await query(server.url(), 'select 1 n')).toEqual([{ n: 1 }])
  await expect(ended).resolves.toBe('ended')
})

test('two servers of one process on one folder are two users', async () => {
  const folder = await temporaryFolder()
  const [one, two] = await Promise.all([startEmbedded({ folder }), startEmbedded({ folder })])
  expect(two.pid).toBe(one.pid)
  const { pid } = one
  await one.stop()
  await one.stop()
  expect(await query(two.url(), 'select 1 n')).toEqual([{ n: 1 }])
  await two[Symbol.asyncDispose]()
  expect(markOf(pid)).toBeNull()
})
