import { drainOnSignals } from '@acuse/core'

import { startPayments } from './service.ts'
import { settingsFrom } from './settings.ts'

const service = await startPayments(settingsFrom(process.env))
drainOnSignals(service)
process.stdout.write(`${JSON.stringify({ ready: 'payments', url: service.url })}\n`)
