import type { BrokerNode } from '../transports/transport.ts'
import type { Random } from '../random.ts'
import type { Fault, World } from './fault.ts'

// Each about every 22 s: a node of RabbitMQ is back after 3 to 6 s, and all processes come back from it.
const perRun = 5.5

type Deed = (node: BrokerNode, world: World, random: Random) => Promise<void>

/** It is stopped as for an upgrade, and started again. */
const restart: Deed = async (node) => {
  await node.stop()
  await node.start()
}

/** It is killed, and started again on its data. */
const kill: Deed = async (node, world, random) => {
  await node.kill()
  await world.pause(random.whole(0, 700))
  await node.start()
}

/** It stands still: connections stay open, and nobody answers. To the other nodes it looks like one behind a broken network. */
const freeze: Deed = async (node, world, random) => {
  await node.freeze()
  await world.pause(random.whole(500, 4_000))
  await node.thaw()
}

/** The network between it and the other nodes breaks, in both directions. Its clients still reach it. */
const nodeCut: Fault = {
  name: 'node-cut',
  perRun,
  async strike({ broker, brokerTurn, pause }, random) {
    const { cutOff, nodes } = broker
    if (cutOff === undefined) return undefined
    const node = random.whole(0, nodes.length - 1)
    const forMs = random.whole(1_000, 7_000)
    await brokerTurn(async () => {
      const cut = await cutOff(node)
      await pause(forMs)
      await cut[Symbol.asyncDispose]()
    })
    return `cut a node off from the others for ${forMs} ms`
  },
}

/** What happens to a broker of one node. */
export const brokerFaults: readonly Fault[] = [
  faultOf('broker-restart', restart, 'restarted the broker'),
  faultOf('broker-kill', kill, 'killed the broker, and had it back'),
  faultOf('broker-stop', freeze, 'froze the broker'),
]

/** What happens to the nodes of a cluster, one at a time. */
export const nodeFaults: readonly Fault[] = [
  faultOf('node-restart', restart, 'restarted a node'),
  faultOf('node-kill', kill, 'killed a node, and had it back'),
  faultOf('node-stop', freeze, 'froze a node'),
  nodeCut,
]

/** One at a time. */
function faultOf(name: string, deed: Deed, what: string): Fault {
  return {
    name,
    perRun,
    async strike(world, random) {
      const node = random.pick(world.broker.nodes)
      if (node === undefined) return undefined
      let tookMs = 0
      await world.brokerTurn(async () => {
        const beganMs = performance.now()
        await deed(node, world, random)
        tookMs = performance.now() - beganMs
      })
      // On a slow machine it would hardly ever be there: it is left alone for as long as that took.
      void world.brokerTurn(() => world.pause(tookMs))
      return `${what} within ${Math.round(tookMs)} ms`
    },
  }
}
