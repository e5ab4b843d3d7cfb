import { takeLock } from './lock.ts'
import type { ServerPaths } from './paths.ts'
import { stopPostmaster } from './postmaster.ts'
import { updateState } from './state.ts'
import { liveUsers } from './users.ts'

/**
 * Stops the folder's server if it has no user, and answers whether it has none and is down. Users are counted under the lock, which every
 * start takes: one that came a moment ago keeps its server, one that comes now finds it stopped and starts it.
 */
export async function stopUnused(paths: ServerPaths, lockTimeoutMs: number): Promise<boolean> {
  const lock = await takeLock(paths.lock, lockTimeoutMs)
  if (lock === null) return false
  try {
    if (liveUsers(paths).length > 0 || !(await stopPostmaster(paths, 'fast', 30_000))) return false
    updateState(paths, { server: null, watchdog: null })
    return true
  } finally {
    lock.release()
  }
}
