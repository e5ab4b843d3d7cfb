import { randomBytes } from 'node:crypto'
import { dataFolder } from '../jail.ts'
import { freePort, host } from '../ports.ts'
import { newFolder, Server, started, type ServerKind, type ServerOptions } from '../server.ts'
import { kafkaFolder, kafkaVersion } from './install.ts'
import { countBrokers } from './request.ts'

export interface KafkaOptions extends ServerOptions {
  /** Lines for server.properties, as `auto.create.topics.enable=false`. They win over those of this. */
  readonly lines?: readonly string[]
}

/** Starts a Kafka of one node, which is broker and controller. */
export async function startKafka(options: KafkaOptions = {}): Promise<Server> {
  const kind = kindOf(options, await freePort(), await freePort())
  return await started(new Server(kind, await newFolder('kafka', options), options))
}

// A client compiler is enough for a short life, and there is little to collect.
const java = `java -Xmx512m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -XX:-UsePerfData -cp '/mnt/kafka/*'`

// Its settings at every start fill the log.
const quiet = '-Dorg.slf4j.simpleLogger.log.org.apache.kafka.common.config.AbstractConfig=warn'

const settingsFile = `${dataFolder}/server.properties`

function kindOf({ lines = [] }: KafkaOptions, port: number, controllerPort: number): ServerKind {
  const clusterId = randomBytes(16).toString('base64url')
  const format = `kafka.tools.StorageTool format --cluster-id=${clusterId} --config=${settingsFile}`
  return {
    name: `Kafka ${kafkaVersion}`,
    port,
    url: `${host}:${port}`,
    root: '/',
    folders: { kafka: kafkaFolder() },
    command: [
      ...['sh', '-ec'],
      `test -e ${dataFolder}/logs/meta.properties || ${java} ${quiet} ${format}
      exec ${java} ${quiet} kafka.Kafka ${settingsFile}`,
    ],
    files: {
      'server.properties': [
        'process.roles=broker,controller',
        'node.id=1',
        'controller.listener.names=CONTROLLER',
        `controller.quorum.voters=1@${host}:${controllerPort}`,
        ...['offsets.topic', 'transaction.state.log', 'share.coordinator.state.topic'].flatMap((topic) => [
          `${topic}.replication.factor=1`,
          // Each partition is a folder and files that a start opens; there are 50 by default.
          `${topic}.num.partitions=4`,
        ]),
        'transaction.state.log.min.isr=1',
        'share.coordinator.state.topic.min.isr=1',
        'group.initial.rebalance.delay.ms=0',
        // A broker that was killed may come back when its session has run out: 9 s by default.
        'broker.session.timeout.ms=3000',
        'broker.heartbeat.interval.ms=500',
        ...lines,
        `listeners=PLAINTEXT://${host}:${port},CONTROLLER://${host}:${controllerPort}`,
        `advertised.listeners=PLAINTEXT://${host}:${port}`,
        `log.dirs=${dataFolder}/logs`,
        '',
      ].join('\n'),
    },
    ready: async (log) => {
      if ((await countBrokers(port)) === 0) throw new Error('It is not registered yet.')
      const [, version] = /Kafka version: (\S+)/.exec(log) ?? []
      if (version === undefined) throw new Error('Its log does not say yet that it is up.')
      return version
    },
  }
}
