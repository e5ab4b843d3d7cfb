import type { BrokerServer } from '../transports/transport.ts'
import type { Fault, World } from './fault.ts'

// Each about every 22 s: a node of RabbitMQ is back after 3 to 6 s, and all processes come back from it.
const perRun = 5.5

/** The broker is stopped as for an upgrade, and started again. */
const restart: Fault = {
  name: 'broker-restart',
  perRun,
  strike: (world) =>
    withBroker(world, async (server) => {
      await server.stop()
      await server.start()
    }).then((tookMs) => tookMs && `restarted the broker in ${tookMs} ms`),
}

/** The broker is killed, and started again on its data. */
const kill: Fault = {
  name: 'broker-kill',
  perRun,
  strike: (world, random) =>
    withBroker(world, async (server) => {
      await server.kill()
      await world.pause(random.whole(0, 700))
      await server.start()
    }).then((tookMs) => tookMs && `killed the broker, and had it back after ${tookMs} ms`),
}

/** The broker stands still: connections stay open, and nobody answers. */
const freeze: Fault = {
  name: 'broker-stop',
  perRun,
  strike: (world, random) =>
    withBroker(world, async (server) => {
      await server.freeze()
      await world.pause(random.whole(500, 4_000))
      await server.thaw()
    }).then((tookMs) => tookMs && `froze the broker for ${tookMs} ms`),
}

/** One at a time; gives how long it took. */
async function withBroker(
  { broker, brokerTurn }: World,
  work: (server: BrokerServer) => Promise<void>,
): Promise<string | undefined> {
  const { server } = broker
  if (server === null) return undefined
  const beganMs = performance.now()
  await brokerTurn(() => work(server))
  return String(Math.round(performance.now() - beganMs))
}

export const brokerFaults: readonly Fault[] = [restart, kill, freeze]
