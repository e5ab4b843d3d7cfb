import { randomBytes } from 'node:crypto'
import { dataFolder, nodeUser } from '../jail.ts'
import { host } from '../ports.ts'
import type { ServerKind, ServerOptions } from '../server.ts'
import { kafkaFolder, kafkaVersion } from './install.ts'
import { countBrokers } from './request.ts'

/** One more port that each node listens on. */
export interface KafkaListener {
  /** Letters, as `PROXIED`. */
  readonly name: string
  readonly protocol: 'PLAINTEXT' | 'SSL' | 'SASL_PLAINTEXT' | 'SASL_SSL'
  readonly port: number
  /** Where it tells clients to come to who asked on this port, as to a proxy before it. Default: the port. */
  readonly advertisedPort?: number
}

export interface KafkaOptions extends ServerOptions {
  /** Lines for server.properties, as `auto.create.topics.enable=false`. They win over those of this. */
  readonly lines?: readonly string[]
  /** Of a node that stands alone. */
  readonly listeners?: readonly KafkaListener[]
  /** Of each node of a cluster, in their order; all nodes have listeners of the same names. */
  readonly listenersByNode?: readonly (readonly KafkaListener[])[]
}

/** The ports of a node, which is broker and controller. */
export interface KafkaPorts {
  readonly broker: number
  /** For the other brokers, which copy from it. */
  readonly peers: number
  readonly controller: number
}

// The client compiler is enough for a short life, and there is little to collect.
const java = `java -Xmx512m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -XX:-UsePerfData -cp '/mnt/kafka/*'`

// Its settings at every start fill the log.
const quiet = '-Dorg.slf4j.simpleLogger.log.org.apache.kafka.common.config.AbstractConfig=warn'

const settingsFile = `${dataFolder}/server.properties`

/** The nodes of one cluster. */
export function kafkaKinds(options: KafkaOptions, nodes: readonly KafkaPorts[]): ServerKind[] {
  const { lines = [], listeners: ofOne = [], listenersByNode = [ofOne] } = options
  const voters = nodes.map(({ controller }, n) => `${n + 1}@${host}:${controller}`)
  const format = `kafka.tools.StorageTool format --cluster-id=${randomBytes(16).toString('base64url')}`
  const inSync = Math.max(1, nodes.length - 1)
  const common = [
    'process.roles=broker,controller',
    'controller.listener.names=CONTROLLER',
    'inter.broker.listener.name=PEERS',
    `controller.quorum.voters=${voters.join(',')}`,
    `default.replication.factor=${nodes.length}`,
    `min.insync.replicas=${inSync}`,
    ...['offsets.topic', 'transaction.state.log', 'share.coordinator.state.topic'].flatMap((topic) => [
      `${topic}.replication.factor=${nodes.length}`,
      // Each partition is a folder and files that a start opens; there are 50 by default.
      `${topic}.num.partitions=4`,
    ]),
    `transaction.state.log.min.isr=${inSync}`,
    `share.coordinator.state.topic.min.isr=${inSync}`,
    'group.initial.rebalance.delay.ms=0',
    // A broker that was killed may come back when its session has run out: 9 s by default.
    'broker.session.timeout.ms=3000',
    'broker.heartbeat.interval.ms=500',
  ]
  const listenersOf = (n: number): readonly KafkaListener[] => listenersByNode[n] ?? []
  return nodes.map(({ broker, peers, controller }, n) => ({
    name: `Kafka ${kafkaVersion}`,
    port: broker,
    url: `${host}:${broker}`,
    root: '/',
    user: nodeUser(n),
    peerPorts: [peers, controller],
    folders: { kafka: kafkaFolder() },
    command: [
      ...['sh', '-ec'],
      `test -e ${dataFolder}/logs/meta.properties || ${java} ${quiet} ${format} --config=${settingsFile}
      exec ${java} ${quiet} kafka.Kafka ${settingsFile}`,
    ],
    files: {
      'server.properties': [
        ...common,
        `node.id=${n + 1}`,
        ...lines,
        `listeners=${addresses({ PLAINTEXT: broker, PEERS: peers, CONTROLLER: controller }, listenersOf(n), ({ port }) => port)}`,
        `advertised.listeners=${addresses({ PLAINTEXT: broker, PEERS: peers }, listenersOf(n), ({ port, advertisedPort }) => advertisedPort ?? port)}`,
        `listener.security.protocol.map=${['PLAINTEXT:PLAINTEXT', 'PEERS:PLAINTEXT', 'CONTROLLER:PLAINTEXT', ...listenersOf(n).map(({ name, protocol }) => `${name}:${protocol}`)].join(',')}`,
        `log.dirs=${dataFolder}/logs`,
        '',
      ].join('\n'),
    },
    ready: async (log) => await versionOf(broker, log),
  }))
}

function addresses(
  own: Readonly<Record<string, number>>,
  listeners: readonly KafkaListener[],
  portOf: (listener: KafkaListener) => number,
): string {
  const all = [...Object.entries(own), ...listeners.map((one) => [one.name, portOf(one)] as const)]
  return all.map(([name, port]) => `${name}://${host}:${port}`).join(',')
}

async function versionOf(port: number, log: string): Promise<string> {
  if ((await countBrokers(port)) === 0) throw new Error('It is not registered yet.')
  const [, version] = /Kafka version: (\S+)/.exec(log) ?? []
  if (version === undefined) throw new Error('Its log does not say yet that it is up.')
  return version
}
