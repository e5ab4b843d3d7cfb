import { freePort } from '@acuse-proof/servers'
import { expect, it } from 'vitest'
import { open } from './support.ts'

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
