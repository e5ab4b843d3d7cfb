// Loaded into each service's process before its own code (`node --import`), by the public interface alone: it counts what
// the bus does there, and ends the process when the marketplace that started it is gone.
import { listen } from '@acuse/core'

import { noCounts } from './counts.ts'
import type { Counts } from './counts.ts'

/** Twice as often as anybody looks. */
const REPORT_EVERY_MS = 500
/** A service that does not drain in this time has nobody left to wait for it. */
const ORPHAN_DRAIN_MS = 10_000

let counts: Counts = noCounts()
let reported = true

const count = (what: keyof Counts): void => {
  counts[what] += 1
  reported = false
}
const report = (): void => {
  if (reported || !process.connected) return
  process.send?.(counts, () => undefined)
  counts = noCounts()
  reported = true
}

listen('applied', () => count('applied'))
listen('dead', () => {
  count('dead')
  report()
})
// Told at once: the process may be killed before the next report.
listen('retrying', () => {
  count('retries')
  report()
})
setInterval(report, REPORT_EVERY_MS).unref()
process.on('exit', report)

process.on('disconnect', () => {
  setTimeout(() => process.exit(1), ORPHAN_DRAIN_MS).unref()
  process.kill(process.pid, 'SIGTERM')
})
// Watching for the end of the marketplace is no reason for a service to stay.
process.channel?.unref()
