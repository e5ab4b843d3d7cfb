import { type Server, startKafka } from '@acuse-proof/servers'
import { Consumer, Producer } from '@platformatic/kafka'
import { afterAll, beforeAll, onTestFinished } from 'vitest'
import { testVectors } from '../../../test/vectors/suite.ts'
import { type HeldByKafka, heldAt } from './held.ts'
import { open, testLines, unique } from './support.ts'

let server: Server
beforeAll(async () => {
  server = await startKafka({ lines: testLines })
})
afterAll(() => server[Symbol.asyncDispose]())

testVectors<HeldByKafka>('kafka', async () => {
  const { transport } = await open(server.url)
  const settings = { clientId: 'plain', bootstrapBrokers: [server.url] }
  const consumer = new Consumer({ ...settings, groupId: unique('plain') })
  onTestFinished(() => consumer.close(true))
  const producer = new Producer(settings)
  onTestFinished(() => producer.close())
  const heard: HeldByKafka[] = []
  return {
    transport,
    async listen() {
      const stream = await consumer.consume({ topics: ['shop.orders'], mode: 'latest', autocommit: false })
      stream.on('data', ({ topic, partition, key, headers, value }) => {
        heard.push(heldAt(topic, partition, key, headers, value))
      })
    },
    heard: () => heard,
    async write(vectors) {
      await producer.send({
        acks: -1,
        messages: vectors.map(({ topic, partition, key, headers, value }) => ({
          ...{ topic, partition, value: Buffer.from(value) },
          headers: new Map(Object.entries(headers).map(([name, text]) => [Buffer.from(name), Buffer.from(text)])),
          ...(key === null ? {} : { key: Buffer.from(key) }),
        })),
      })
    },
  }
})
