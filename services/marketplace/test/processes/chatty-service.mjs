// Tells what a bus would, on the same channels, and then serves.
import { channel } from 'node:diagnostics_channel'

await import('./tiny-service.mjs')
for (let count = 0; count < 5; count += 1) channel('acuse:applied').publish({})
channel('acuse:retrying').publish({})
channel('acuse:dead').publish({})
