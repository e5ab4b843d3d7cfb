import { type RabbitMq, startRabbitMq } from '@acuse-proof/servers'
import { rabbitmq } from '@acuse/rabbitmq'
import { testRelay } from '@acuse/testing/conformance'
import { afterAll, beforeAll } from 'vitest'

const user = 'publisher'
const firstLimit = 200_000
let server: RabbitMq

beforeAll(async () => {
  server = await startRabbitMq({ release: '4.0', conf: { max_message_size: String(firstLimit) } })
  await server.rabbitmqctl(['add_user', user, user])
  await allowAll()
})
afterAll(() => server[Symbol.asyncDispose]())

testRelay('RabbitMQ 4.0', async () => {
  const url = new URL(server.url)
  url.username = user
  url.password = user
  return {
    publisher: rabbitmq(url.href, { newQueueMs: 0 }),
    consumer: rabbitmq(server.url, { newQueueMs: 0 }),
    async forbid({ stream }) {
      await server.rabbitmqctl(['set_permissions', user, '.*', `^(?!${stream}$).*$`, '.*'])
      // A channel that is open keeps what was granted.
      await server.rabbitmqctl(['close_all_user_connections', user, 'permissions were changed'])
      return allowAll
    },
    async fill({ group, stopGroup, startGroup }) {
      await stopGroup()
      await server.rabbitmqctl(['set_policy', '--apply-to', 'queues', group, `^${group}$`, '{"max-length":3}'])
      return async () => {
        await server.rabbitmqctl(['clear_policy', group])
        await startGroup()
      }
    },
    async misroute({ group, stopGroup, startGroup }) {
      await stopGroup()
      await server.rabbitmqctl(['delete_queue', group])
      return startGroup
    },
    async limit() {
      return {
        tooMany: firstLimit,
        names: /max_message_size/,
        raise: () => setLimit(10 * firstLimit),
      }
    },
    dispose: () => setLimit(firstLimit),
  }
})

async function allowAll(): Promise<void> {
  await server.rabbitmqctl(['set_permissions', user, '.*', '.*', '.*'])
}

/** As a restart with another setting would: the server keeps what it has read at its start. */
async function setLimit(bytes: number): Promise<void> {
  await server.rabbitmqctl(['eval', `persistent_term:put(max_message_size, ${bytes}).`])
}
