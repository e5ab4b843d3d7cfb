import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { startEmbedded, type EmbeddedServer } from '../../src/embedded/index.ts'
import { binaries, openTestLog, startServer } from './database.ts'
import { Collector, eventually, message, source } from './messages.ts'
import { movableAddress } from './movable-address.ts'

const run = promisify(execFile)
const never = new AbortController().signal
const numbered = (from: number, to: number) => Array.from({ length: to - from }, (__, index) => message(from + index))

interface Copy extends AsyncDisposable {
  readonly server: EmbeddedServer
}

/** Stops a server, and starts it again beside a copy of itself. A promoted one begins a timeline of its own. */
async function copyOf(original: EmbeddedServer, promoted: boolean): Promise<Copy> {
  const folder = await mkdtemp(join(tmpdir(), 'acuse-log-'))
  await original.stop()
  await run('cp', ['-a', `${original.folder}/.`, folder])
  await rm(join(folder, 'acuse.json'))
  // Recovery from an archive that has nothing ends where the copy ends, as a promotion does.
  if (promoted) await run('cp', ['-a', join(folder, 'data', 'PG_VERSION'), join(folder, 'data', 'recovery.signal')])
  await original.start()
  const server = await startEmbedded({
    folder,
    ...(binaries === undefined ? {} : { binaries }),
    ...(promoted ? { settings: { restore_command: 'false' } } : {}),
  })
  return {
    server,
    async [Symbol.asyncDispose]() {
      await server.stop()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

describe('a failover that loses the last transactions', () => {
  it.each([
    ['to a promoted copy', true],
    ['to an older copy that looks just the same', false],
  ])('%s: what is published there is delivered, though its xids were seen before', async (_name, promoted) => {
    await using original = await startServer()
    const url = await original.newDatabase()
    await using address = await movableAddress(url)
    await using reading = await openTestLog(address.url)
    const sink = new Collector()
    await reading.log.consume(source('readers'), sink)
    await reading.log.publish(numbered(0, 20), never)
    await eventually(() => sink.deliveries.length === 20)
    await eventually(
      async () => (await reading.db.query(`select from acuse.cursor where prev::text <> '1:1:'`)).length > 0,
    )

    await using copy = await copyOf(original.server, promoted)
    // These are lost, but this process has read them, and its positions are beyond what the copy has.
    await eventually(async () => (await reading.log.publish([message('lost')], never))[0]?.state === 'delivered')
    await reading.log.publish(
      Array.from({ length: 40 }, () => message('lost')),
      never,
    )
    await eventually(() => sink.data.includes('lost') && sink.data.filter((data) => data === 'lost').length >= 41)

    address.moveTo(copy.server.url(new URL(url).pathname.slice(1)))
    await eventually(async () => (await reading.log.publish([message(20)], never))[0]?.state === 'delivered', 20_000)
    for (let next = 21; next < 60; next++) await reading.log.publish(numbered(next, next + 1), never)
    await eventually(() => new Set(sink.data.filter((data) => data !== 'lost')).size === 60)
    const after = sink.data.slice(sink.data.lastIndexOf('lost') + 1)
    expect(after.slice(-40)).toEqual(Array.from({ length: 40 }, (__, index) => 20 + index))
  })
})
