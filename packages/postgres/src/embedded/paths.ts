import { chmod, mkdir, realpath, stat } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'

/** Where things are in the folder of an embedded server. */
export interface ServerPaths {
  readonly root: string
  /** PostgreSQL's own data directory. */
  readonly data: string
  readonly log: string
  /** The part of the log that was cut off last. */
  readonly oldLog: string
  /** One empty file for each use of the server. */
  readonly users: string
  readonly lock: string
  readonly state: string
  readonly password: string
}

/** Names the files of a server's folder; `root` must be absolute and free of symlinks. */
export function serverPaths(root: string): ServerPaths {
  return {
    root,
    data: join(root, 'data'),
    log: join(root, 'server.log'),
    oldLog: join(root, 'server.log.1'),
    users: join(root, 'users'),
    lock: join(root, 'lock'),
    state: join(root, 'acuse.json'),
    password: join(root, 'password'),
  }
}

/** Creates the folder where it is missing and names its files, with symlinks resolved so that all users agree. */
export async function openFolder(folder: string): Promise<ServerPaths> {
  const wanted = resolve(folder)
  const firstMade = await mkdir(wanted, { recursive: true })
  const paths = serverPaths(await realpath(wanted))
  if (process.getuid?.() === 0) await letOthersPass(wanted, firstMade ?? wanted)
  await mkdir(paths.users, { recursive: true })
  return paths
}

// For root, PostgreSQL runs as another user, who must reach the data. Only folders made here and the server's own
// (often from mkdtemp, mode 0700) are opened; a closed folder above them is the owner's decision, and an error later.
async function letOthersPass(folder: string, upTo: string): Promise<void> {
  const { mode } = await stat(folder)
  await chmod(folder, (mode & 0o7777) | 0o011)
  if (folder !== resolve(upTo) && folder !== dirname(folder)) await letOthersPass(dirname(folder), upTo)
}
