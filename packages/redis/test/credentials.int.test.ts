import { type Server, startRedis } from '@acuse-proof/servers'
import { redis } from '@acuse/redis'
import { testCredentials, uniqueName } from '@acuse/testing/conformance'
import { Redis } from 'ioredis'
import { afterAll, beforeAll } from 'vitest'

let server: Server
let operator: Redis

beforeAll(async () => {
  server = await startRedis({ release: '8.0', lines: ['appendfsync always'] })
  operator = new Redis(server.url)
})
afterAll(async () => {
  operator.disconnect()
  await server[Symbol.asyncDispose]()
})

testCredentials('Redis 8.0', async () => {
  const user = { username: uniqueName('shop'), password: 'first-canary' }
  const letIn = (password: string): Promise<unknown> =>
    operator.call('ACL', ['SETUSER', user.username, 'on', 'resetpass', `>${password}`, '~*', '&*', '+@all'])
  await letIn(user.password)
  return {
    user,
    open: (credentials) => redis(`redis://127.0.0.1:${server.port}`, { leaseMs: 2_000, credentials }),
    async change(password) {
      await letIn(password)
      await operator.call('CLIENT', ['KILL', 'USER', user.username])
    },
    dispose: async () => void (await operator.call('ACL', ['DELUSER', user.username])),
  }
})
