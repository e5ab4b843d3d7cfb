import { type Server, startRedis } from '@acuse-proof/servers'
import { redisChannel } from '@acuse/redis'
import { eventually, startFaultProxy } from '@acuse/testing'
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest'

let server: Server
beforeAll(async () => {
  server = await startRedis({ release: '7.0' })
})
afterAll(() => server[Symbol.asyncDispose]())

it('a channel tells whoever listens at the moment, byte for byte, and nobody else', async () => {
  const channel = await redisChannel(server.url)
  onTestFinished(() => channel[Symbol.asyncDispose]())
  expect(channel.guarantee).toBe('at-most-once')
  expect(await channel.publish('progress', 'nobody hears this')).toBe(0)
  const [one, two]: [Buffer[], Buffer[]] = [[], []]
  const leave = await channel.subscribe('progress', (data) => one.push(Buffer.from(data)))
  await channel.subscribe('progress', (data) => two.push(Buffer.from(data)))
  await channel.subscribe('other', () => expect.unreachable('it is for another channel'))
  const bytes = Buffer.from([0, 255, 10, 13])
  expect(await channel.publish('progress', bytes)).toBe(1)
  await eventually(() => expect([one, two]).toEqual([[bytes], [bytes]]))
  await leave()
  await channel.publish('progress', 'again')
  await eventually(() => expect(two).toHaveLength(2))
  expect(one).toHaveLength(1)
})

it('after a break it listens again, without what was said meanwhile', async () => {
  const proxy = await startFaultProxy({ host: '127.0.0.1', port: server.port })
  onTestFinished(() => proxy[Symbol.asyncDispose]())
  const errors: string[] = []
  const listening = await redisChannel(`redis://127.0.0.1:${proxy.port}`, { onError: ({ code }) => errors.push(code) })
  onTestFinished(() => listening[Symbol.asyncDispose]())
  const speaking = await redisChannel(server.url)
  onTestFinished(() => speaking[Symbol.asyncDispose]())
  const heard: string[] = []
  await listening.subscribe('progress', (data) => heard.push(Buffer.from(data).toString()))
  proxy.set({ kind: 'refuse' })
  proxy.reset()
  await eventually(() => expect(errors).toContain('ACUSE_TRANSPORT_UNAVAILABLE'))
  await eventually(async () => expect(await speaking.publish('progress', 'missed')).toBe(0))
  await expect(listening.publish('progress', 'away')).rejects.toMatchObject({ code: 'ACUSE_TRANSPORT_UNAVAILABLE' })
  proxy.set({ kind: 'pass' })
  await eventually(async () => expect(await speaking.publish('progress', 'back')).toBe(1))
  await eventually(() => expect(heard).toEqual(['back']))
})
