import { once } from 'node:events'
import { type AddressInfo, connect, createServer } from 'node:net'
import { types } from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { AcuseError } from '@acuse/core'
import { startFaultProxy } from '@acuse/testing'
import { type Db, openDb } from '../../src/db.ts'
import { isUnavailable } from '../../src/db-errors.ts'
import { classify } from '../../src/store/classify.ts'
import { openTestDb, startServer, type TestServer } from './database.ts'
import { eventually } from './messages.ts'
import { movableAddress } from './movable-address.ts'

let server: TestServer
let url: string
beforeAll(async () => {
  server = await startServer()
  url = await server.newDatabase()
})
afterAll(() => server[Symbol.asyncDispose]())

describe('transactions', () => {
  it('commit what resolves and roll back what rejects, passing the error on', async () => {
    await using db = openTestDb(url, 1)
    await db.query('create table notes (text text)')
    expect(await db.transaction((run) => run(`insert into notes values ('kept') returning text`))).toEqual([
      { text: 'kept' },
    ])
    const failure = new Error('of the caller')
    const failing = db.transaction(async (run) => {
      await run(`insert into notes values ('gone')`)
      throw failure
    })
    await expect(failing).rejects.toBe(failure)
    // The only connection was given back in order.
    expect(await db.query('select text from notes')).toEqual([{ text: 'kept' }])
  })

  it('say so when the server rolled back because an error was swallowed', async () => {
    await using db = openTestDb(url, 1)
    const swallowing = db.transaction((run) => run('select 1/0').catch(() => 'swallowed'))
    await expect(swallowing).rejects.toMatchObject({ code: 'ACUSE_TRANSACTION_ABORTED' })
    expect(await db.query('select 1 as one')).toEqual([{ one: 1 }])
  })

  it('may be given longer for their statements', async () => {
    await using db = openTestDb(url, 1)
    const timeouts = await db.transaction((run) => run('show statement_timeout'), { statementTimeoutMs: 60_000 })
    expect(timeouts).toEqual([{ statement_timeout: '1min' }])
    expect(await db.query('show statement_timeout')).toEqual([{ statement_timeout: '10s' }])
    const short = db.transaction((run) => run('select pg_sleep(5)'), { statementTimeoutMs: 50 })
    await expect(short).rejects.toThrow('statement timeout')
  })
})

describe('a server that is not heard any more', () => {
  it('is away, as after a reset, to whoever asks what the error means', async () => {
    const target = new URL(url)
    await using proxy = await startFaultProxy({ host: target.hostname, port: Number(target.port) })
    await using db = openTestDb(Object.assign(new URL(url), { port: String(proxy.port) }).href, 1)
    await db.query('select 1')
    const asked = db.transaction(
      async (run) => {
        proxy.set({ kind: 'black-hole', towards: 'client' })
        await run('select 1')
      },
      { statementTimeoutMs: 10 },
    )
    const error: unknown = await asked.catch((cause: unknown) => cause)
    proxy.set({ kind: 'pass' })
    expect(error).toMatchObject({ code: 'ETIMEDOUT', message: 'the database did not answer within 2010 ms' })
    expect([classify(error), isUnavailable(error)]).toEqual(['unavailable', true])
    expect(await db.query('select 1 as one')).toEqual([{ one: 1 }])
  })
})

describe('connections', () => {
  it('that the server ends are replaced, idle or in use', async () => {
    const errors: AcuseError[] = []
    await using db = openDb(url, { schema: 'acuse', connections: 2, onError: (error) => errors.push(error) })
    await using other = openTestDb(url)
    const endAll = () =>
      other.query(
        `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'acuse:unnamed' and pid <> pg_backend_pid()`,
      )
    await db.query('select 1')
    await endAll()
    await eventually(() => errors.length > 0)
    expect(errors[0]).toMatchObject({ code: 'ACUSE_STORE_UNAVAILABLE', retryable: true })
    expect(await db.query('select 1 as one')).toEqual([{ one: 1 }])
    const inUse = db.transaction(async (run) => {
      await run('select 1')
      await endAll()
      await eventually(
        async () =>
          (await other.query(`select from pg_stat_activity where application_name = 'acuse:unnamed'`)).length === 0,
      )
      await run('select 1')
    })
    await expect(inUse).rejects.toThrow(/terminat|connection/i)
    expect(await db.query('select 1 as one')).toEqual([{ one: 1 }])
  })

  it('are called by the service', async () => {
    await using db = openDb(url, { schema: 'acuse', connections: 1, service: 'orders', onError: () => undefined })
    expect(await db.query('show application_name')).toEqual([{ application_name: 'acuse:orders' }])
  })

  it('do without a setting that a pooler refuses, and bound their statements all the same', async () => {
    await using pooler = await refusingPooler(url)
    await using db = openTestDb(pooler.url, 2)
    const results = await Promise.all([db.query('show statement_timeout'), db.query('select 1 as one')])
    expect(results).toEqual([[{ statement_timeout: '0' }], [{ one: 1 }]])
    expect(await db.transaction((run) => run('show statement_timeout'))).toEqual([{ statement_timeout: '10s' }])
    expect(pooler.refused()).toBeLessThanOrEqual(2)
  })

  it('read values as they are, whatever the application has set for its own', async () => {
    const parser: unknown = types.getTypeParser(types.builtins.INT8, 'text')
    types.setTypeParser(types.builtins.INT8, Number)
    try {
      await using db = openTestDb(url, 1)
      const [row] = await db.query(
        `select 9007199254740993 as big, 'x'::bytea as bytes, '{"a":1}'::jsonb as json, true as yes, array['a','b,c'] as texts,
           '2026-01-02T03:04:05.678Z'::timestamptz as at, 7::smallint as small, 1.5::float8 as float, null as nothing`,
      )
      expect(row).toEqual({
        big: '9007199254740993',
        bytes: Buffer.from('x'),
        json: { a: 1 },
        yes: true,
        texts: ['a', 'b,c'],
        at: new Date('2026-01-02T03:04:05.678Z'),
        small: 7,
        float: 1.5,
        nothing: null,
      })
    } finally {
      types.setTypeParser(types.builtins.INT8, parser as (text: string) => unknown)
    }
  })

  it('refuse schema names that SQL or a channel could not carry', () => {
    for (const schema of ['', 'Acuse', 'a-b', '1a', 'pg_acuse', 'x'.repeat(41), 'a"; drop table x; --']) {
      expect(() => openDb(url, { schema, connections: 1, onError: () => undefined })).toThrow(
        expect.objectContaining({ code: 'ACUSE_CONFIGURATION' }),
      )
    }
  })
})

describe('listening', () => {
  it('hears each channel, until it is stopped', async () => {
    await using db = openTestDb(url)
    const heard = { one: 0, two: 0 }
    const stopOne = await db.listen('one', () => heard.one++)
    await db.listen('two', () => heard.two++)
    const before = { ...heard }
    await db.query('notify one')
    await db.query('notify two')
    await eventually(() => heard.one > before.one && heard.two > before.two)
    const afterwards = { ...heard }
    await stopOne()
    await db.query('notify one')
    await db.query('notify two')
    await eventually(() => heard.two > afterwards.two)
    expect(heard.one).toBe(afterwards.one)
  })

  it('begins while the server is away, and calls everybody when it is back', async () => {
    await using address = await movableAddress(url)
    address.moveTo('postgres://127.0.0.1:1/nothing')
    const errors: AcuseError[] = []
    await using db: Db = openDb(address.url, {
      schema: 'acuse',
      connections: 1,
      onError: (error) => errors.push(error),
    })
    let calls = 0
    await db.listen('news', () => calls++)
    expect(calls).toBe(0)
    expect(errors).not.toEqual([])
    address.moveTo(url)
    await eventually(() => calls === 1)
    address.moveTo(url)
    await eventually(() => calls === 2)
  })

  it('is taken up again also when the connection is lost at the moment it listens', async () => {
    await using address = await lostAsItListens(url)
    let calls = 0
    await using db = openDb(address.url, { schema: 'acuse', connections: 1, onError: () => undefined })
    await db.listen('news', () => calls++)
    // What it calls after every reconnect.
    await eventually(() => calls >= 1)
    await using other = openTestDb(url, 1)
    const before = calls
    await other.query(`select pg_notify('news', '')`)
    await eventually(() => calls > before)
  })
})

/** Passes everything on; but the first connection's answer to LISTEN comes together with the connection's end, as when the server is ended just then. */
async function lostAsItListens(to: string): Promise<{ url: string } & AsyncDisposable> {
  const target = new URL(to)
  let isFirst = true
  const proxy = createServer((client) => {
    const upstream = connect(Number(target.port), target.hostname)
    const dies = isFirst
    isFirst = false
    let listens = false
    client.on('data', (sent: Buffer) => {
      listens ||= sent.includes('listen')
      upstream.write(sent)
    })
    upstream.on('data', (answer: Buffer) => {
      if (!dies || !listens) return client.write(answer)
      const fields = Buffer.from('SFATAL\0C57P01\0Mterminating connection due to administrator command\0\0')
      const header = Buffer.alloc(5)
      header.write('E')
      header.writeInt32BE(fields.length + 4, 1)
      return client.end(Buffer.concat([answer, header, fields]))
    })
    client.on('error', () => upstream.destroy())
    client.on('close', () => upstream.destroy())
    upstream.on('error', () => client.destroy())
    upstream.on('close', () => client.destroy())
  })
  proxy.listen(0, '127.0.0.1')
  await once(proxy, 'listening')
  const address = new URL(to)
  address.port = String((proxy.address() as AddressInfo).port)
  return {
    url: address.href,
    async [Symbol.asyncDispose]() {
      proxy.close()
      await once(proxy, 'close')
    },
  }
}

/** Answers as PgBouncer does to a setting in the startup packet, and passes everything else on. */
async function refusingPooler(to: string): Promise<{ url: string; refused(): number } & AsyncDisposable> {
  let refused = 0
  const target = new URL(to)
  const pooler = createServer((client) => {
    client.once('data', (startup: Buffer) => {
      if (startup.includes('statement_timeout')) {
        refused++
        const fields = Buffer.from('SFATAL\0C08P01\0Munsupported startup parameter: statement_timeout\0\0')
        const header = Buffer.alloc(5)
        header.write('E')
        header.writeInt32BE(fields.length + 4, 1)
        client.end(Buffer.concat([header, fields]))
        return
      }
      const upstream = connect(Number(target.port), target.hostname)
      upstream.write(startup)
      client.pipe(upstream).pipe(client)
      upstream.on('error', () => client.destroy())
      client.on('error', () => upstream.destroy())
    })
  })
  pooler.listen(0, '127.0.0.1')
  await once(pooler, 'listening')
  const address = new URL(to)
  address.port = String((pooler.address() as AddressInfo).port)
  return {
    url: address.href,
    refused: () => refused,
    async [Symbol.asyncDispose]() {
      pooler.close()
      await once(pooler, 'close')
    },
  }
}
