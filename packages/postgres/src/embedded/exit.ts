import { tryLock } from './lock.ts'
import type { ServerPaths } from './paths.ts'
import { askToStop, findPostmaster } from './postmaster.ts'
import { liveUsers, removeUser, type User } from './users.ts'

const users = new Map<User, ServerPaths>()

/** Has the user leave when this process exits on its own. A process that is killed leaves it to the watchdog. */
export function leaveAtExit(paths: ServerPaths, user: User): void {
  if (users.size === 0) process.on('exit', leaveAll)
  users.set(user, paths)
}

/** Takes `leaveAtExit` back, for a user that has left. */
export function stayAtExit(user: User): void {
  users.delete(user)
  if (users.size === 0) process.off('exit', leaveAll)
}

function leaveAll(): void {
  for (const [user, paths] of users) leave(user, paths)
}

// An exiting process cannot wait: it asks the server to stop, and where another process holds the lock, the watchdog does it later.
function leave(user: User, paths: ServerPaths): void {
  try {
    removeUser(user)
    const lock = tryLock(paths.lock)
    if (lock === null) return
    try {
      const running = findPostmaster(paths)
      if (running !== null && liveUsers(paths).length === 0) askToStop(paths, running.mark, 'fast')
    } finally {
      lock.release()
    }
  } catch {
    // An error here would change the exit code of the program; the watchdog looks again.
  }
}
