import { readFile, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { EmbeddedServerError } from './errors.ts'
import type { ServerPaths } from './paths.ts'

/** The user PostgreSQL runs as when this process is root, whom it refuses. */
export interface RunAs {
  readonly uid: number
  readonly gid: number
  readonly name: string
}

/**
 * Whom to run PostgreSQL as: null (this process's own user) unless that is root. For root it is the owner of the data
 * that is already there, else the user `postgres`, else `nobody`. No user is created.
 *
 * @throws EmbeddedServerError when this is root and the system has neither.
 */
export async function userToRunAs(paths: ServerPaths): Promise<RunAs | null> {
  if (process.getuid?.() !== 0) return null
  const owner = await stat(paths.data).catch(() => null)
  if (owner !== null && owner.uid !== 0) return { uid: owner.uid, gid: owner.gid, name: `uid ${owner.uid}` }
  const passwd = await readFile('/etc/passwd', 'utf8').catch(() => '')
  const found = entryOf(passwd, 'postgres') ?? entryOf(passwd, 'nobody')
  if (found !== null) return found
  throw new EmbeddedServerError(
    'PostgreSQL refuses to run as root, and /etc/passwd has neither a user postgres nor nobody to run it as. Create one, or run as an ordinary user.',
  )
}

/** The options of `spawn` that switch to that user. */
export function spawnAs(runAs: RunAs | null): { uid?: number; gid?: number } {
  return runAs === null ? {} : { uid: runAs.uid, gid: runAs.gid }
}

/** The nearest folder above `path` that the user may not pass, judged by its mode bits; null when the way is open. */
export async function closedFolderAbove(path: string, runAs: RunAs): Promise<string | null> {
  for (let folder = dirname(path); folder !== dirname(folder); folder = dirname(folder)) {
    const found = await stat(folder).catch(() => null)
    if (found === null) continue
    const search = found.uid === runAs.uid ? 0o100 : found.gid === runAs.gid ? 0o010 : 0o001
    if ((found.mode & search) === 0) return folder
  }
  return null
}

/** What to say when PostgreSQL failed on `path` and may not have been able to reach it; an empty string when it was. */
export async function closedFolderHint(path: string, runAs: RunAs | null): Promise<string> {
  const closed = runAs === null ? null : await closedFolderAbove(path, runAs)
  if (runAs === null || closed === null) return ''
  return ` As root, PostgreSQL runs as ${runAs.name}, who may not pass ${closed}: choose a folder elsewhere, or chmod o+x ${closed}.`
}

function entryOf(passwd: string, name: string): RunAs | null {
  const line = passwd.split('\n').find((candidate) => candidate.startsWith(`${name}:`))
  const [, , uid, gid] = line?.split(':') ?? []
  if (!uid || !gid || uid === '0') return null
  return { uid: Number(uid), gid: Number(gid), name }
}
