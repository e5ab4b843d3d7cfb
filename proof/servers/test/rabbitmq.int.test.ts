import { vi } from 'vitest'
import type { RabbitMqRelease } from '../src/rabbitmq/node.ts'
import { startRabbitMq, type RabbitMq } from '../src/rabbitmq/server.ts'
import { testServer } from './contract.ts'

// A node is up in 4 s on an idle machine; a test starts up to four of them, beside the servers of another file.
vi.setConfig({ testTimeout: 180_000 })

const releases: readonly RabbitMqRelease[] = ['3.10', '4.0']

// Mnesia writes its log a moment after a declaration is confirmed; a node that is killed in between has no such queue.
const declare = `
  rabbit_amqqueue:declare(rabbit_misc:r(<<"/">>, queue, <<"kept">>), true, false, [], none, <<"guest">>),
  mnesia:sync_log().`

for (const release of releases) {
  testServer<RabbitMq>({
    name: 'RabbitMQ',
    release,
    start: async (parent) => await startRabbitMq({ release, parent }),
    store: async (server) => void (await server.rabbitmqctl(['eval', declare])),
    holds: async (server) =>
      (await server.rabbitmqctl(['list_queues', '--quiet', 'name', 'durable'])).includes('kept\ttrue'),
    startWrongly: async (parent) => await startRabbitMq({ release, parent, conf: { no_such_setting: '1' } }),
    complaint: /RabbitMQ .* ended while it started\. Its log ends:[^]*no_such_setting/,
  })
}
