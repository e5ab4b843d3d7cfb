import { Cluster, formed } from '../cluster.ts'
import { freePort } from '../ports.ts'
import { newFolder, Server, started } from '../server.ts'
import { kafkaKinds, type KafkaOptions } from './node.ts'
import { countBrokers } from './request.ts'

const clusterSize = 3

/** Starts a Kafka of one node. */
export async function startKafka(options: KafkaOptions = {}): Promise<Server> {
  const [server] = await newNodes(options, 1)
  if (server === undefined) throw new Error('One node was asked for, and there is none.')
  return await started(server)
}

/** Starts a Kafka of three nodes. A topic has three replicas, and two have to confirm what is written. */
export async function startKafkaCluster(options: KafkaOptions = {}): Promise<Cluster<Server>> {
  return await formed(new Cluster(await newNodes(options, clusterSize)), 'together', async ({ port }) => {
    const known = await countBrokers(port)
    if (known < clusterSize) throw new Error(`The broker on port ${port} knows ${known} of ${clusterSize} brokers.`)
  })
}

async function newNodes(options: KafkaOptions, size: number): Promise<Server[]> {
  const ports = []
  for (let n = 0; n < size; n++)
    ports.push({ broker: await freePort(), peers: await freePort(), controller: await freePort() })
  const servers: Server[] = []
  for (const kind of kafkaKinds(options, ports))
    servers.push(new Server(kind, await newFolder('kafka', options), options))
  return servers
}
