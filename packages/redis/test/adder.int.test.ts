import { type Server, startRedis } from '@acuse-proof/servers'
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest'
import { Adder } from '../src/adder.ts'
import { asAcuseError } from '../src/errors.ts'
import { StreamKeys } from '../src/keys.ts'
import { operator, uniqueName } from './opened.ts'

let server: Server
let newer: Server
beforeAll(async () => {
  server = await startRedis({ release: '7.0', lines: ['appendfsync always'] })
  newer = await startRedis({ release: '8.0', lines: ['appendfsync always'] })
})
afterAll(async () => {
  await server[Symbol.asyncDispose]()
  await newer[Symbol.asyncDispose]()
})

function lanesOf(stream: string): [one: string, other: string] {
  const keys = new StreamKeys('acuse', stream)
  return [keys.lane(0, 'normal'), keys.lane(1, 'normal')]
}

it('adds what is given in one moment, each to its lane and in order, however much it is', async () => {
  const client = operator(server.url)
  const stream = uniqueName('stream')
  const lanes = lanesOf(stream)
  const adder = new Adder(client)
  const body = Buffer.alloc(3_000, 1)
  const adding = Array.from({ length: 1_201 }, (_, n) =>
    adder.add(stream, lanes[n % 2] ?? '', ['n', String(n), 'acuse-body', body], body.byteLength),
  )
  await Promise.all(adding)
  for (const [odd, lane] of lanes.entries()) {
    const entries = await client.xrange(lane, '-', '+')
    expect(entries.map(([, [, n]]) => Number(n))).toEqual(entries.map((_, place) => 2 * place + odd))
    expect(entries).toHaveLength(odd === 0 ? 601 : 600)
  }
})

it('an entry that is refused fails alone', async () => {
  const client = operator(server.url)
  const [stream, otherStream] = [uniqueName('stream'), uniqueName('stream')]
  const [taken, free] = lanesOf(stream)
  await client.set(taken, 'of somebody else')
  const adder = new Adder(client)
  const outcomes = await Promise.allSettled([
    adder.add(stream, taken, ['n', '1'], 1),
    adder.add(stream, free, ['n', '2'], 1),
    adder.add(otherStream, lanesOf(otherStream)[0], ['n', '3'], 1),
  ])
  expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'fulfilled', 'fulfilled'])
  expect(outcomes[0]).toMatchObject({
    reason: expect.objectContaining({ message: expect.stringMatching(/^WRONGTYPE/) }),
  })
  expect(await client.xlen(free)).toBe(1)
})

it('a server that is full refuses all of it', async () => {
  const client = operator(server.url)
  const stream = uniqueName('stream')
  const [lane] = lanesOf(stream)
  await client.config('SET', 'maxmemory', '1')
  onTestFinished(async () => void (await client.config('SET', 'maxmemory', '0')))
  await expect(new Adder(client).add(stream, lane, ['n', '1'], 1)).rejects.toThrow(/^OOM/)
})

it('an entry of more fields than a script can pass on is added all the same', async () => {
  const client = operator(server.url)
  const stream = uniqueName('stream')
  const [lane] = lanesOf(stream)
  const fields = Array.from({ length: 10_000 }, (_, n) => `f${n}`)
  await new Adder(client).add(stream, lane, fields, 1)
  expect((await client.xrange(lane, '-', '+'))[0]?.[1]).toHaveLength(10_000)
})

it('a user who may not add is told so, whichever release says it', async () => {
  for (const { url } of [server, newer]) {
    await operator(url).call('ACL', ['SETUSER', 'reader', 'on', '>secret', '~*', '+@all', '-xadd'])
    const address = new URL(url)
    Object.assign(address, { username: 'reader', password: 'secret' })
    const stream = uniqueName('stream')
    const adding = new Adder(operator(address.href)).add(stream, lanesOf(stream)[0], ['n', '1'], 1)
    const error = await adding.catch((cause: unknown) => asAcuseError(cause, 'it'))
    expect(error).toMatchObject({
      code: 'ACUSE_DESTINATION_UNAVAILABLE',
      message: expect.stringMatching(/ACL SETUSER/),
    })
  }
})
