import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { serverPaths } from './paths.ts'
import { findPostmaster, killPostmaster } from './postmaster.ts'
import type { ProcessMark } from './processes.ts'
import { boundLog } from './server-log.ts'
import { readState } from './state.ts'
import { stopUnused } from './stop-unused.ts'
import { liveUsers } from './users.ts'

// The process `watchdog-process.ts` starts. It imports only what is beside it, so that it runs from the source as from a build.

/** How often it looks, and how long a server stays up without users: long enough for a test runner to start its next process. */
const lookEveryMs = 1_000
const stopAfterMs = 5_000

const [, , root = ''] = process.argv
const paths = serverPaths(root)

let lastSeen: ProcessMark | null = null
let unusedSince: number | null = null

// The process that started it says when the server is up, or dies before.
await Promise.race([once(process, 'message'), once(process, 'disconnect')])
lastSeen = findPostmaster(paths)?.mark ?? null
if (process.connected) process.send?.('watching', () => undefined)

for (;;) {
  await delay(lookEveryMs)
  if (!existsSync(paths.root) || readState(paths).watchdog?.pid !== process.pid) break
  lastSeen = findPostmaster(paths)?.mark ?? lastSeen
  if (liveUsers(paths).length > 0) unusedSince = null
  else {
    unusedSince ??= performance.now()
    const due = performance.now() - unusedSince >= stopAfterMs
    if ((due || findPostmaster(paths) === null) && (await stopUnused(paths, lookEveryMs))) process.exit()
  }
  boundLog(paths)
}

// The folder was deleted, and perhaps made anew, with the server still running in what is gone.
if (lastSeen !== null && findPostmaster(paths)?.mark.pid !== lastSeen.pid) await killPostmaster(paths, lastSeen)
