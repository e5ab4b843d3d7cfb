import type { Cluster, Server } from '@acuse-proof/servers'
import type { RunningBroker } from './transport.ts'

interface Nodes extends Pick<RunningBroker, 'cutOff'> {
  readonly nodes: readonly Server[]
}

/** The nodes of a server that stands alone, or of a cluster. */
export function nodesOf(broker: Server | Cluster<Server>): Nodes {
  if (!('nodes' in broker)) return { nodes: [broker], cutOff: undefined }
  return { nodes: broker.nodes, cutOff: (node) => broker.cutOff(node) }
}
