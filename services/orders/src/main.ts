import { drainOnSignals } from '@acuse/core'

import { startOrders } from './service.ts'
import { settingsFrom } from './settings.ts'

const service = await startOrders(settingsFrom(process.env))
drainOnSignals(service)
process.stdout.write(`${JSON.stringify({ ready: 'orders', url: service.url })}\n`)
