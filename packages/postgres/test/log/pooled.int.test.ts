import { type PgBouncer, startPgBouncer } from '@acuse-proof/servers'
import { afterAll, beforeAll } from 'vitest'
import type { Transport, WireMessage } from '@acuse/core'
import { testTransport } from '@acuse/testing/conformance'
import { openTestLog, startServer, type TestLog, type TestServer } from './database.ts'
import { movableAddress, type MovableAddress } from './movable-address.ts'

let server: TestServer
let pooler: PgBouncer
let url: string
beforeAll(async () => {
  server = await startServer({ max_connections: '200' })
  pooler = await startPgBouncer({ upstream: server.server.url(), lines: ['server_login_retry = 1'] })
  url = pooler.urlOf(new URL(await server.newDatabase()).pathname.slice(1))
})
afterAll(async () => {
  await pooler[Symbol.asyncDispose]()
  await server[Symbol.asyncDispose]()
})

interface Opened {
  readonly log: TestLog
  readonly address: MovableAddress
}

const leaseMs = 1_500

testTransport(
  'the log on PostgreSQL through PgBouncer',
  () => {
    const opened = new Map<Transport, Opened>()
    return Promise.resolve({
      async open() {
        const address = await movableAddress(url)
        const one = await openTestLog(address.url, { leaseMs })
        opened.set(one.log, { log: one, address })
        return one.log
      },
      async crash(transport: Transport) {
        await opened.get(transport)?.address[Symbol.asyncDispose]()
      },
      restartServer: () => server.server.restart('immediate'),
      refused: (message: WireMessage) => ({ ...message, headers: { ...message.headers, nul: '\0' } }),
      async dispose() {
        for (const { log, address } of opened.values()) {
          await log[Symbol.asyncDispose]()
          await address[Symbol.asyncDispose]()
        }
      },
    })
  },
  { patienceMs: 30_000 },
)
