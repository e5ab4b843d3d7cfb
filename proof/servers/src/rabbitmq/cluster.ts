import { Cluster, formed } from '../cluster.ts'
import { converse } from '../conversation.ts'
import { nodeUser } from '../jail.ts'
import { host } from '../ports.ts'
import { newFolder, Server, type ServerKind } from '../server.ts'
import { newDistribution, nodeKind, rootOfRelease, type RabbitMqOptions, type RabbitMqRelease } from './node.ts'
import { RabbitMq } from './server.ts'

const names = ['rabbit1@localhost', 'rabbit2@localhost', 'rabbit3@localhost']

/** A silent node counts as gone after 6 to 10 s, where the default is a minute. */
const tickTime = '-kernel net_ticktime 8'

/** What its documentation advises for three nodes: by default a node that is cut off goes on, and stays apart afterwards. */
const inMinority = { cluster_partition_handling: 'pause_minority' }

/** Starts three nodes of RabbitMQ that form a cluster. Their epmd stays when a node is killed. */
export async function startRabbitMqCluster(options: RabbitMqOptions): Promise<Cluster<RabbitMq>> {
  const distribution = await newDistribution(tickTime)
  const nodes: RabbitMq[] = []
  for (const name of names) {
    const conf = { ...join(names.slice(0, nodes.length)), ...inMinority, ...options.conf }
    const kind = await nodeKind({ ...options, conf }, name, distribution)
    nodes.push(
      new RabbitMq(
        { ...kind, user: nodeUser(nodes.length), failedForNow: askedOneThatStarts },
        await newFolder('rabbitmq', options),
        options,
      ),
    )
  }
  const epmd = epmdKind(options.release, distribution.epmdPort)
  const cluster = new Cluster(nodes, [new Server(epmd, await newFolder('epmd', options), {})])
  // Of nodes that start at once the first waits in vain for the others, and then each of these some seconds for a lock.
  return await formed(cluster, 'in turn', async (node) => {
    // One that has all the others says it for them too.
    if (node === nodes[0]) await node.rabbitmqctl(['await_online_nodes', String(names.length)])
  })
}

/** What makes a new node join others that are there. */
function join(others: readonly string[]): Readonly<Record<string, string>> {
  const peers = others.map((name, n) => [`cluster_formation.classic_config.nodes.${n + 1}`, name] as const)
  return peers.length === 0
    ? {}
    : { 'cluster_formation.peer_discovery_backend': 'classic_config', ...Object.fromEntries(peers) }
}

/** Of nodes that start at once, one that asks another in the wrong moment ends: systemd would start it again. */
function askedOneThatStarts(log: string): boolean {
  return log.includes('BOOT FAILED') && log.includes('node_not_running')
}

/** The names of the nodes that are there, after the port in four bytes. */
const namesRequest = Buffer.from([0, 1, 'n'.charCodeAt(0)])

function epmdKind(release: RabbitMqRelease, port: number): ServerKind {
  return {
    name: 'epmd',
    port,
    url: `${host}:${port}`,
    root: rootOfRelease(release),
    command: ['epmd', '-port', String(port), '-address', host],
    files: {},
    ready: async () => await converse(port, namesRequest, (received) => (received.length >= 4 ? '' : undefined)),
  }
}
