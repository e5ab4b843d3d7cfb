import { flushCompileCache } from 'node:module'
import { armCrashPoints } from '@acuse/testing'
import { runConsumer } from './roles/consumer.ts'
import { runProducer } from './roles/producer.ts'
import { runRelay } from './roles/relay.ts'
import { runSagaWorker } from './roles/saga-worker.ts'
import { configVariable, readConfig } from './roles/worker-config.ts'
import { openLog } from './roles/worker-log.ts'

const config = readConfig(process.env[configVariable])
const write = openLog(config.log)
write({ event: 'start', text: config.role })
armCrashPoints()

const roles = { producer: runProducer, relay: runRelay, consumer: runConsumer, saga: runSagaWorker }
await roles[config.role](config, write)
// A process that is killed would not leave what it has compiled to the next.
if (config.incarnation === 0) flushCompileCache()
