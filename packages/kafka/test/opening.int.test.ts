import { freePort, startKafka } from '@acuse-proof/servers'
import { expect, it } from 'vitest'
import { open, sourceOf, testLines, unique } from './support.ts'

it('while no broker can be reached, opening fails in a way that is tried again, and names the addresses', async () => {
  const port = await freePort()
  await expect(open(`127.0.0.1:${port}, localhost:${port}`)).rejects.toMatchObject({
    code: 'ACUSE_TRANSPORT_UNAVAILABLE',
    retryable: true,
    message: expect.stringMatching(new RegExp(`kafka 127\\.0\\.0\\.1:${port},localhost:${port}: .*ECONNREFUSED`)),
  })
})

it.each(['kafka-1', 'kafka-1:port', 'http://kafka-1:9092', ''])(
  'an address that is none is refused: "%s"',
  async (brokers) => {
    await expect(open(brokers)).rejects.toMatchObject({
      code: 'ACUSE_CONFIGURATION',
      message: expect.stringMatching(/a broker's address is host:port/),
    })
  },
)

it('a group that begins just as the brokers go away fails in a way that is tried again', async () => {
  await using server = await startKafka({ lines: testLines })
  const { transport } = await open(server.url)
  await server.kill()
  const stream = unique('stream')
  const sink = { deliver: () => undefined, revoke: async () => undefined }
  await expect(transport.consume(sourceOf(stream), sink)).rejects.toMatchObject({
    code: 'ACUSE_TRANSPORT_UNAVAILABLE',
    retryable: true,
    message: expect.stringMatching(new RegExp(`^stream ${stream}: `)),
  })
})
