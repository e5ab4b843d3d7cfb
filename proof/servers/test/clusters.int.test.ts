import { describe, expect, test, vi } from 'vitest'
import type { Cluster } from '../src/cluster.ts'
import { countBrokers } from '../src/kafka/request.ts'
import { startKafkaCluster } from '../src/kafka/server.ts'
import { startNatsCluster } from '../src/nats/cluster.ts'
import { startRabbitMqCluster } from '../src/rabbitmq/cluster.ts'
import { greet } from '../src/rabbitmq/greeting.ts'
import type { RabbitMq } from '../src/rabbitmq/server.ts'
import type { Server } from '../src/server.ts'
import { eventually } from '../src/waiting.ts'
import { createTopic, hasTopic } from './kafka-topics.ts'
import { askNats } from './nats-request.ts'
import { assertContains, expectNothingLeft, processesIn, stateOf, temporaryFolder } from './support.ts'

// Three nodes are up in 8 to 18 s on an idle machine, and a test starts most of them three times.
vi.setConfig({ testTimeout: 300_000 })

interface Subject<S extends Server> {
  readonly name: string
  start(parent: string): Promise<Cluster<S>>
  /** Stores something on all three nodes, through one. */
  store(server: S): Promise<void>
  /** @throws Error when this node does not answer with it. */
  check(server: S): Promise<void>
  /** How many nodes there are as this one sees it, itself among them. */
  count(server: S): Promise<number>
  /** @throws Error until a node that is cut off has drawn its consequences. One that has none to draw goes on as before. */
  isAlone?(server: S): Promise<void>
}

function testCluster<S extends Server>(subject: Subject<S>): void {
  describe(`a cluster of ${subject.name}`, () => {
    test('goes on without one of its nodes, and when one is cut off, and keeps what is durable when all are killed', async () => {
      const parent = await temporaryFolder()
      await using cluster = await subject.start(parent)
      const [first, second, third] = cluster.nodes
      if (first === undefined || second === undefined || third === undefined) throw new Error('It has not three nodes.')
      const holds = async (server: S): Promise<void> =>
        await eventually(async () => await subject.check(server), 150_000)
      await subject.store(first)

      await cluster.kill(1)
      await holds(first)
      await cluster.start(1)
      await holds(second)

      await cluster.freeze(2)
      expect(stateOf(third.pid)).toBe('T')
      await cluster.thaw(2)
      await holds(third)

      const sees = async (nodes: number): Promise<void> =>
        await eventually(async () => assertContains(`${await subject.count(first)} nodes`, `${nodes} nodes`), 60_000)
      const partition = await cluster.cutOff(2)
      await sees(2)
      await holds(first)
      // One that sees the others come back before it has paused goes on by itself, and stays apart from them for good.
      await eventually(async () => await subject.isAlone?.(third), 60_000)
      await partition[Symbol.asyncDispose]()
      await sees(3)
      await holds(third)

      await Promise.all([0, 1, 2].map(async (n) => await cluster.kill(n)))
      await cluster.start()
      await holds(third)

      await cluster[Symbol.asyncDispose]()
      expect(processesIn(parent)).toEqual([])
      await expectNothingLeft(parent)
    })
  })
}

interface NatsStreamInfo {
  /**
   * `active` says how many nanoseconds ago the leader has heard of a node, and 0 for one that it has never heard of, which is not `current`.
   * A route that is cut takes minutes to be known as lost.
   */
  readonly cluster: { readonly replicas: readonly { readonly active: number; readonly current: boolean }[] }
}

/** The nodes of a stream speak once a second. */
const silentNanos = 3e9

const declare = `
  rabbit_amqqueue:declare(rabbit_misc:r(<<"/">>, queue, <<"kept">>), true, false,
    [{<<"x-queue-type">>, longstr, <<"quorum">>}], none, <<"guest">>),
  mnesia:sync_log().`

// Of the releases that chaos runs have clusters of.
testCluster<RabbitMq>({
  name: 'RabbitMQ 4.0',
  start: async (parent) => await startRabbitMqCluster({ release: '4.0', parent }),
  store: async (server) => void (await server.rabbitmqctl(['eval', declare])),
  check: async (server) => {
    const queues = await server.rabbitmqctl(['list_queues', '--quiet', 'name', 'type', 'state', 'members'])
    assertContains(queues, 'kept\tquorum\trunning')
    for (const node of ['rabbit1', 'rabbit2', 'rabbit3']) assertContains(queues, node)
  },
  count: async (server) => {
    const status = await server.rabbitmqctl(['cluster_status', '--formatter', 'json'])
    return (JSON.parse(status) as { readonly running_nodes: readonly string[] }).running_nodes.length
  },
  isAlone: async ({ port }) => {
    const greeted = await greet(port).catch(() => null)
    if (greeted !== null) throw new Error('It still serves clients.')
  },
})

testCluster({
  name: 'NATS 2.10',
  start: async (parent) => await startNatsCluster({ release: '2.10', parent }),
  store: async ({ port }) => {
    const stream = { name: 'kept', subjects: ['kept'], storage: 'file', num_replicas: 3 }
    assertContains(await askNats(port, '$JS.API.STREAM.CREATE.kept', stream), '"did_create":true')
    assertContains(await askNats(port, 'kept', {}), '"seq":1')
  },
  check: async ({ port }) => assertContains(await askNats(port, '$JS.API.STREAM.INFO.kept', {}), '"messages":1'),
  count: async ({ port }) => {
    const { cluster } = JSON.parse(await askNats(port, '$JS.API.STREAM.INFO.kept', {})) as NatsStreamInfo
    return 1 + cluster.replicas.filter(({ active, current }) => current && active < silentNanos).length
  },
})

testCluster({
  name: 'Kafka',
  start: async (parent) => await startKafkaCluster({ parent }),
  store: async ({ port }) => await createTopic(port, 'kept', 3),
  check: async ({ port }) => {
    if (!(await hasTopic(port, 'kept'))) throw new Error('There is no such topic.')
  },
  count: async ({ port }) => await countBrokers(port),
})
