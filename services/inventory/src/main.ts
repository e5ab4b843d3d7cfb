import { drainOnSignals } from '@acuse/core'

import { startInventory } from './service.ts'
import { settingsFrom } from './settings.ts'

const service = await startInventory(settingsFrom(process.env))
drainOnSignals(service)
process.stdout.write(`${JSON.stringify({ ready: 'inventory', url: service.url })}\n`)
