import { freePort, type KafkaListener, type Server, startKafka } from '@acuse-proof/servers'
import { connectionsConnectsChannel } from '@platformatic/kafka'
import { afterAll, beforeAll, expect, it, onTestFinished, vi } from 'vitest'
import { messageOf, open, sourceOf, Taker, testLines, unique } from './support.ts'

const user = { username: 'app', password: 'of-the-app' }
const sessionMs = 2_000
const rounds = 2
const patience = { timeout: 30_000, interval: 20 }
const keys = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']
const listener: KafkaListener = { name: 'SECURED', protocol: 'SASL_PLAINTEXT', port: await freePort() }

let server: Server
beforeAll(async () => {
  server = await startKafka({
    listeners: [listener],
    lines: [
      ...testLines,
      `listener.name.secured.connections.max.reauth.ms=${sessionMs}`,
      'listener.name.secured.sasl.enabled.mechanisms=PLAIN',
      `listener.name.secured.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_${user.username}="${user.password}";`,
    ],
  })
})
afterAll(() => server[Symbol.asyncDispose]())

it('a broker that wants name and password again gets them on open connections, and nothing is lost, doubled or out of order', async () => {
  const stream = unique('stream')
  const connects = countConnects()
  const credentials = vi.fn<() => typeof user>(() => user)
  const { transport, errors } = await open(`127.0.0.1:${listener.port}`, { sasl: { mechanism: 'PLAIN' }, credentials })
  const taker = new Taker()
  await transport.consume(sourceOf(stream), taker)
  const published = new Map<string, string[]>()
  const publishNext = async (key: string): Promise<void> => {
    const ofKey = published.get(key) ?? []
    published.set(key, ofKey)
    const message = messageOf(stream, `${key}${ofKey.length}`, { key })
    ofKey.push(Buffer.from(message.body).toString())
    expect(await transport.publish([message], AbortSignal.timeout(30_000))).toEqual([{ state: 'delivered' }])
  }
  const isRead = (): void => expect(taker.labels).toHaveLength([...published.values()].flat().length)
  /** Publishes of all keys beside each other until the broker has asked so often on each connection. */
  const publishUntilAsked = async (times: number): Promise<void> => {
    const isAsked = (): boolean => credentials.mock.calls.length >= connects() * times
    const ofKey = async (key: string): Promise<void> => {
      while (!isAsked()) await publishNext(key)
    }
    await Promise.all(keys.map(ofKey))
    await vi.waitFor(isRead, patience)
  }
  // By then everything that needs a connection has one.
  await publishUntilAsked(2)
  const opened = connects()
  await publishUntilAsked(2 + rounds)
  for (const [key, ofKey] of published) expect(taker.labels.filter((label) => label.startsWith(key))).toEqual(ofKey)
  expect(connects()).toBe(opened)
  expect(errors).toEqual([])
})

/** How many connections the client has opened since. */
function countConnects(): () => number {
  let count = 0
  const note = (): void => void count++
  connectionsConnectsChannel.start.subscribe(note)
  onTestFinished(() => {
    connectionsConnectsChannel.start.unsubscribe(note)
  })
  return () => count
}
