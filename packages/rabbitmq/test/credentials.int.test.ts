import { type RabbitMq, startRabbitMq } from '@acuse-proof/servers'
import { rabbitmq } from '@acuse/rabbitmq'
import { testCredentials, uniqueName } from '@acuse/testing/conformance'
import { afterAll, beforeAll } from 'vitest'

let server: RabbitMq

beforeAll(async () => {
  server = await startRabbitMq({ release: '4.0' })
})
afterAll(() => server[Symbol.asyncDispose]())

testCredentials('RabbitMQ 4.0', async () => {
  const user = { username: uniqueName('shop'), password: 'first-canary' }
  await server.rabbitmqctl(['add_user', user.username, user.password])
  await server.rabbitmqctl(['set_permissions', user.username, '.*', '.*', '.*'])
  return {
    user,
    open: (credentials) => rabbitmq(`amqp://127.0.0.1:${server.port}`, { newQueueMs: 0, credentials }),
    async change(password) {
      await server.rabbitmqctl(['change_password', user.username, password])
      await server.rabbitmqctl(['close_all_user_connections', user.username, 'the password was changed'])
    },
    dispose: async () => void (await server.rabbitmqctl(['delete_user', user.username])),
  }
})
