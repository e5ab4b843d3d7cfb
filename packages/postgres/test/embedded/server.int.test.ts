import { once } from 'node:events'
import { readdir, stat, writeFile } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import pg from 'pg'
import { expect, onTestFinished, test } from 'vitest'
import { startEmbedded, type EmbeddedOptions, type EmbeddedServer } from '../../src/embedded/index.ts'
import { childrenOf, isRunning, markOf } from '../../src/embedded/processes.ts'
import { serverPaths } from '../../src/embedded/paths.ts'
import { readState } from '../../src/embedded/state.ts'
import { gone, listens, longQuery, query, temporaryFolder } from './support.ts'

async function started(options: EmbeddedOptions): Promise<EmbeddedServer> {
  const server = await startEmbedded(options)
  onTestFinished(async () => await server.stop())
  return server
}

test('a cold start gives a durable server, and a stop leaves no process behind', async () => {
  const folder = await temporaryFolder()
  const server = await started({ folder })
  const settings = await query(
    server.url(),
    `select current_setting('fsync') fsync, current_setting('full_page_writes') full_page_writes,
            current_setting('synchronous_commit') synchronous_commit, current_setting('data_checksums') data_checksums,
            current_setting('server_encoding') encoding, current_setting('max_connections') max_connections,
            current_setting('shared_buffers') shared_buffers, current_setting('listen_addresses') listen_addresses`,
  )
  expect(settings).toEqual([
    {
      fsync: 'on',
      full_page_writes: 'on',
      synchronous_commit: 'on',
      data_checksums: 'on',
      encoding: 'UTF8',
      max_connections: '200',
      shared_buffers: '128MB',
      listen_addresses: '127.0.0.1',
    },
  ])
  const { pid, port } = server
  const watchdog = readState(serverPaths(server.folder)).watchdog
  await server.stop()
  expect(markOf(pid)).toBeNull()
  expect(watchdog && isRunning(watchdog)).toBe(false)
  expect(await listens(port)).toBe(false)
  expect(await readdir(join(folder, 'users'))).toEqual([])
})

test('an unset folder is .acuse/postgres under the working directory', async () => {
  const home = await temporaryFolder()
  const before = process.cwd()
  process.chdir(home)
  try {
    const server = await started({})
    expect(server.folder).toBe(join(process.cwd(), '.acuse', 'postgres'))
    await server.stop()
  } finally {
    process.chdir(before)
  }
})

test('a folder with spaces and quotes in its path works', async () => {
  const folder = join(await temporaryFolder(), `it's a "folder" of mine`)
  const server = await started({ folder })
  expect(await query(server.url(), 'select 1 one')).toEqual([{ one: 1 }])
})

test('only the password lets one in, and only its owner can read it', async () => {
  const folder = await temporaryFolder()
  const server = await started({ folder })
  const wrong = new URL(server.url())
  wrong.password = 'postgres'
  await expect(query(wrong.href, 'select 1')).rejects.toMatchObject({ code: '28P01' })
  expect((await stat(join(folder, 'password'))).mode & 0o777).toBe(0o600)
})

test('what was committed is there after kill and start, on the same port', async () => {
  const server = await started({ folder: await temporaryFolder() })
  const { pid, port } = server
  await query(server.url(), 'create table kept(id int primary key)')
  for (let id = 1; id <= 20; id++) await query(server.url(), `insert into kept values (${id})`)
  const open = new pg.Client({ connectionString: server.url() })
  open.on('error', () => undefined)
  await open.connect()
  await open.query('begin')
  await open.query('insert into kept values (99)')
  const children = childrenOf(pid)
  expect(children.length).toBeGreaterThan(3)

  await server.kill()
  expect(markOf(pid)).toBeNull()
  expect(children.filter(isRunning)).toEqual([])
  expect(await listens(port)).toBe(false)
  await expect(query(server.url(), 'select 1')).rejects.toThrow(/ECONNREFUSED/)

  await server.start()
  expect(server.port).toBe(port)
  expect(server.pid).not.toBe(pid)
  expect(await query(server.url(), 'select count(*)::int, max(id) from kept')).toEqual([{ count: 20, max: 20 }])
  await open.end()
})

test('kill also ends a child that is busy in a query and would outlive the server', async () => {
  const server = await started({ folder: await temporaryFolder() })
  const busy = new pg.Client({ connectionString: server.url() })
  busy.on('error', () => undefined)
  await busy.connect()
  const { rows } = await busy.query<{ pid: number }>('select pg_backend_pid() pid')
  const ended = busy.query(longQuery).catch(() => 'ended')
  await server.kill()
  await expect(ended).resolves.toBe('ended')
  expect(markOf(rows[0]?.pid ?? 0)).toBeNull()
  await server.start()
})

test.each(['fast', 'immediate'] as const)('restart %s keeps port, settings and data', async (mode) => {
  const server = await started({ folder: await temporaryFolder(), settings: { work_mem: '5MB' } })
  const { pid, port } = server
  await query(server.url(), 'create table kept as select 1 id')
  await server.restart(mode)
  await gone(pid)
  expect(server.port).toBe(port)
  expect(await query(server.url(), `select id, current_setting('work_mem') from kept`)).toEqual([
    { id: 1, current_setting: '5MB' },
  ])
})

test('start after stop brings the data back', async () => {
  const server = await started({ folder: await temporaryFolder() })
  const url = await server.createDatabase('shop')
  await query(url, 'create table kept as select 7 id')
  await server.stop()
  await expect(server.restart()).rejects.toThrow(/call start\(\) first/)
  await server.start()
  expect(await query(server.url('shop'), 'select id from kept')).toEqual([{ id: 7 }])
})

test('a database is created once, however often and from however many sides it is asked for', async () => {
  const server = await started({ folder: await temporaryFolder() })
  const urls = await Promise.all(Array.from({ length: 5 }, async () => await server.createDatabase('Größe "1" & co')))
  expect(new Set(urls).size).toBe(1)
  expect(await query(urls[0] ?? '', 'select current_database() name')).toEqual([{ name: 'Größe "1" & co' }])
})

test.each([
  [{ fsync: 'off' }, 'fsync = off would lose commits'],
  [{ FSYNC: 'false' }, 'fsync = false would lose commits'],
  [{ full_page_writes: 'off' }, 'full_page_writes = off would lose commits'],
  [{ synchronous_commit: 'off' }, 'synchronous_commit = off would lose commits'],
  [{ listen_addresses: '*' }, 'listen_addresses is decided by the embedded server'],
  [{ 'work mem': '1' }, 'not the name of a PostgreSQL setting'],
])('the settings %o are refused', async (settings, why) => {
  const starting = startEmbedded({ folder: join(await temporaryFolder(), 'never-made'), settings })
  await expect(starting).rejects.toMatchObject({ code: 'ACUSE_CONFIGURATION', message: expect.stringContaining(why) })
})

test('fsync cannot be turned off from inside either', async () => {
  const server = await started({ folder: await temporaryFolder() })
  await query(server.url(), 'alter system set fsync = off')
  await query(server.url(), "alter system set work_mem = '7MB'")
  await server.restart()
  expect(
    await query(server.url(), `select current_setting('fsync') fsync, current_setting('work_mem') work_mem`),
  ).toEqual([{ fsync: 'on', work_mem: '7MB' }])
})

test('joining with options the running server does not have is an error that says which', async () => {
  const folder = await temporaryFolder()
  const server = await started({ folder, settings: { wal_level: 'logical' } })
  const unfit = async (options: EmbeddedOptions): Promise<unknown> => await startEmbedded({ folder, ...options })
  await expect(unfit({ settings: { wal_level: 'replica' } })).rejects.toThrow(
    /wal_level = replica was asked for, and it was started by another process with wal_level = logical/,
  )
  await expect(unfit({ port: server.port + 1 })).rejects.toThrow(`it runs on ${server.port}`)
  await expect(unfit({ version: 9 })).rejects.toThrow(/PostgreSQL 9 was asked for/)
  const second = await startEmbedded({ folder, settings: { wal_level: 'logical' }, port: server.port })
  expect(second.pid).toBe(server.pid)
  await second.stop()
  expect(await query(server.url(), 'show wal_level')).toEqual([{ wal_level: 'logical' }])
})

test('a number that is no port is refused', async () => {
  const folder = join(await temporaryFolder(), 'never-made')
  await expect(startEmbedded({ folder, port: 0 })).rejects.toMatchObject({ code: 'ACUSE_CONFIGURATION' })
})

test('a given port that is taken fails with its number', async () => {
  const other = createServer().listen(0, '127.0.0.1')
  await once(other, 'listening')
  onTestFinished(() => void other.close())
  const { port } = other.address() as AddressInfo
  const folder = await temporaryFolder()
  await expect(startEmbedded({ folder, port })).rejects.toMatchObject({
    code: 'ACUSE_EMBEDDED_SERVER',
    message: expect.stringContaining(`Port ${port} for the server in ${folder} is taken`),
  })
  expect(await readdir(join(folder, 'users'))).toEqual([])
})

test('the port of the last start is taken again if it is free, and another if not', async () => {
  const folder = await temporaryFolder()
  const first = await startEmbedded({ folder })
  const { port } = first
  await first.stop()
  const again = await startEmbedded({ folder })
  expect(again.port).toBe(port)
  await again.stop()
  const other = createServer().listen(port, '127.0.0.1')
  await once(other, 'listening')
  onTestFinished(() => void other.close())
  const elsewhere = await started({ folder })
  expect(elsewhere.port).not.toBe(port)
  expect(await query(elsewhere.url(), 'select 1 one')).toEqual([{ one: 1 }])
})

test("a start that fails shows the end of the server's log, and the next one works", async () => {
  const folder = await temporaryFolder()
  const failing = startEmbedded({ folder, settings: { shared_preload_libraries: 'no_such_library' } })
  await expect(failing).rejects.toThrow(/in .* on port \d+ stopped at once.*Its log ends:[^]*no_such_library/)
  const server = await started({ folder })
  expect(await query(server.url(), 'select 1 one')).toEqual([{ one: 1 }])
})

test('data of another major version is refused by name', async () => {
  const folder = await temporaryFolder()
  const server = await startEmbedded({ folder })
  await server.stop()
  await writeFile(join(folder, 'data', 'PG_VERSION'), '13\n')
  await expect(startEmbedded({ folder })).rejects.toThrow(/was made by PostgreSQL 13, and the binaries found are \d+/)
})
