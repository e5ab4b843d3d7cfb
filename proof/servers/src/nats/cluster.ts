import { Cluster, formed } from '../cluster.ts'
import { nodeUser } from '../jail.ts'
import { freePort, host } from '../ports.ts'
import { newFolder } from '../server.ts'
import { Nats, natsKind, type NatsOptions } from './server.ts'

/** Starts three NATS servers that form a cluster, with JetStream in it. */
export async function startNatsCluster(options: NatsOptions): Promise<Cluster<Nats>> {
  const routePorts = [await freePort(), await freePort(), await freePort()]
  const nodes: Nats[] = []
  for (const [n, routePort] of routePorts.entries()) {
    const routes = routePorts.filter((port) => port !== routePort).map((port) => `"nats://${host}:${port}"`)
    const lines = [
      `server_name: "nats${n + 1}"`,
      // Clients keep to the addresses that they were given, so that none goes round a proxy.
      `cluster { name: "acuse", listen: "${host}:${routePort}", routes: [${routes.join(', ')}], no_advertise: true }`,
      ...(options.lines ?? []),
    ]
    const monitoringPort = await freePort()
    const kind = {
      ...(await natsKind({ ...options, lines }, monitoringPort)),
      user: nodeUser(n),
      peerPorts: [routePort],
    }
    nodes.push(new Nats(kind, await newFolder('nats', options), options, monitoringPort))
  }
  // Healthy means here that JetStream has a leader for its own data.
  return await formed(new Cluster(nodes), 'together', async (node) => await node.checkHealth())
}
