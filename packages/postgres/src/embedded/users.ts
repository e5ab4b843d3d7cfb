import { randomBytes } from 'node:crypto'
import { readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ServerPaths } from './paths.ts'
import { isRunning, ownMark, type ProcessMark } from './processes.ts'
import { systemCode } from './system-code.ts'

/** One use of a server, by its file in the users folder. A process may hold several. */
export interface User {
  readonly file: string
}

/**
 * Registers this process as a user. The file is empty and its name says all (`<pid>.<start time>.<random>`):
 * a name appears in one step, so nobody reads half of it.
 */
export function addUser(paths: ServerPaths): User {
  const { pid, startedAt } = ownMark()
  const file = join(paths.users, `${pid}.${startedAt ?? '-'}.${randomBytes(6).toString('hex')}`)
  writeFileSync(file, '', { flag: 'wx' })
  return { file }
}

/** Takes a user off; once more is no error. */
export function removeUser(user: User): void {
  rmSync(user.file, { force: true })
}

/** The uses by live processes. Files left by processes that died are removed on the way. */
export function liveUsers(paths: ServerPaths): User[] {
  const live: User[] = []
  for (const name of userFiles(paths)) {
    const user = { file: join(paths.users, name) }
    const mark = markFrom(name)
    if (mark === null) continue
    if (isRunning(mark)) live.push(user)
    else removeUser(user)
  }
  return live
}

function userFiles(paths: ServerPaths): string[] {
  try {
    return readdirSync(paths.users)
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return []
    throw error
  }
}

function markFrom(name: string): ProcessMark | null {
  const [pid, startedAt] = name.split('.')
  if (pid === undefined || startedAt === undefined || !/^\d+$/.test(pid)) return null
  return { pid: Number(pid), startedAt: startedAt === '-' ? null : startedAt }
}
