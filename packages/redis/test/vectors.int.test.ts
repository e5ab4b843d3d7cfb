import { type Server, startRedis } from '@acuse-proof/servers'
import { afterAll, beforeAll } from 'vitest'
import { testVectors } from '../../../test/vectors/suite.ts'
import { type HeldByRedis, heldAt } from './held.ts'
import { open, operator } from './opened.ts'

let server: Server
beforeAll(async () => {
  server = await startRedis({ release: '8.0', lines: ['appendfsync always'] })
})
afterAll(() => server[Symbol.asyncDispose]())

testVectors<HeldByRedis>('redis', async () => {
  const plain = operator(server.url)
  const { transport } = await open(server.url)
  const ends = new Map<string, string>()
  const lanes = (): Promise<string[]> => plain.keys('acuse:{shop.orders}:[0-9]*:*')
  return {
    transport,
    async listen() {
      for (const lane of await lanes()) {
        const [last] = await plain.xrevrange(lane, '+', '-', 'COUNT', 1)
        if (last !== undefined) ends.set(lane, last[0])
      }
    },
    async heard() {
      const heard: HeldByRedis[] = []
      for (const lane of await lanes()) {
        const entries = await plain.xrange(lane, `(${ends.get(lane) ?? '0'}`, '+')
        heard.push(...entries.map(([, values]) => heldAt(lane, values)))
      }
      return heard
    },
    async write(vectors) {
      for (const { key, fields } of vectors) await plain.xadd(key, '*', ...Object.entries(fields).flat())
    },
  }
})
