import { freePort, type KafkaListener, type Server, startKafka } from '@acuse-proof/servers'
import { kafka } from '@acuse/kafka'
import { testRelay } from '@acuse/testing/conformance'
import { type Acl, Admin } from '@platformatic/kafka'
import { afterAll, beforeAll } from 'vitest'
import { testLines, testOptions } from './support.ts'

const user = 'publisher'
const password = 'of-the-publisher'
/** As the protocol numbers them. */
const resource = { topic: 2, cluster: 4 } as const
const operation = { write: 4, create: 5 } as const
const literal = 3
const deny = 2
const smallLimit = 100_000
const largeLimit = 2_000_000
const topicConfig = 2

const listener: KafkaListener = { name: 'SECURED', protocol: 'SASL_PLAINTEXT', port: await freePort() }
let server: Server
let operator: Admin

beforeAll(async () => {
  server = await startKafka({
    listeners: [listener],
    lines: [
      ...testLines,
      'listener.name.secured.sasl.enabled.mechanisms=PLAIN',
      `listener.name.secured.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_${user}="${password}";`,
      'authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer',
      'super.users=User:ANONYMOUS',
      'allow.everyone.if.no.acl.found=true',
    ],
  })
  operator = new Admin({ clientId: 'operator', bootstrapBrokers: [server.url] })
})
afterAll(async () => {
  await operator.close()
  await server[Symbol.asyncDispose]()
})

testRelay('Kafka', async () => ({
  publisher: kafka(`127.0.0.1:${listener.port}`, {
    ...testOptions,
    sasl: { mechanism: 'PLAIN', username: user, password },
  }),
  consumer: kafka(server.url, testOptions),
  forbid: ({ stream }) => denied(resource.topic, stream, operation.write),
  async misroute({ stream, stopGroup, startGroup }) {
    await stopGroup()
    const allow = await denied(resource.cluster, 'kafka-cluster', operation.create)
    const allowTopic = await denied(resource.topic, stream, operation.create)
    await operator.deleteTopics({ topics: [stream] })
    return async () => {
      // Its user may make the topic, so that nothing comes to it before the group has its place there.
      await startGroup()
      await allow()
      await allowTopic()
    }
  },
  async limit(stream) {
    await setLimit(stream, smallLimit)
    return { tooMany: smallLimit, names: /max\.message\.bytes/, raise: () => setLimit(stream, largeLimit) }
  },
  dispose: async () => undefined,
}))

/** Gives what allows it again. */
async function denied(
  resourceType: Acl['resourceType'],
  resourceName: string,
  what: Acl['operation'],
): Promise<() => Promise<void>> {
  const acl: Acl = {
    ...{ resourceType, resourceName, resourcePatternType: literal, operation: what, permissionType: deny },
    ...{ principal: `User:${user}`, host: '*' },
  }
  await operator.createAcls({ creations: [acl] })
  return async () => {
    const { resourcePatternType: patternTypeFilter, ...filter } = acl
    await operator.deleteAcls({ filters: [{ ...filter, resourcePatternType: patternTypeFilter }] })
  }
}

async function setLimit(topic: string, bytes: number): Promise<void> {
  const configs = [{ name: 'max.message.bytes', configOperation: 0 as const, value: String(bytes) }]
  await operator.incrementalAlterConfigs({
    resources: [{ resourceType: topicConfig, resourceName: topic, configs }],
    validateOnly: false,
  })
}
