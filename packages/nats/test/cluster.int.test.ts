import { startNatsCluster } from '@acuse-proof/servers'
import { expect, onTestFinished, test, vi } from 'vitest'
import { message, open, uniqueName } from './support.ts'

// Three servers start and form a cluster, and one is given up after 15 s.
vi.setConfig({ testTimeout: 180_000 })

test('a server that is cut off from its cluster, and still takes connections, is left for another', async () => {
  const cluster = await startNatsCluster({ release: '2.10' })
  onTestFinished(() => cluster[Symbol.asyncDispose]())
  const { transport, errors } = await open(cluster.urls.join(','), { replicas: 3 })
  const stream = uniqueName('orders')
  const publish = async (label: string): Promise<boolean> => {
    const [result] = await transport.publish([message(stream, label)], AbortSignal.timeout(30_000))
    return result?.state === 'delivered'
  }
  await expect.poll(() => publish('before'), { timeout: 60_000 }).toBe(true)

  const clients = await Promise.all(cluster.nodes.map(async (node) => await node.clientNames()))
  const connected = clients.findIndex((names) => names.some((name) => name.includes('publishes')))
  const partition = await cluster.cutOff(connected)
  onTestFinished(() => partition[Symbol.asyncDispose]())
  await expect.poll(() => publish('meanwhile'), { timeout: 60_000 }).toBe(true)
  // Once: the first that is taken is another.
  expect(errors.filter((error) => error.message.includes('cut off from its cluster'))).toHaveLength(1)
})
