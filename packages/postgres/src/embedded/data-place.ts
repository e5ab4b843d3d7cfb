import { randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { chown, mkdir, readdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { makeOwnFolder } from './own-folder.ts'
import type { ServerPaths } from './paths.ts'
import { closedFolderAbove, type RunAs } from './unprivileged.ts'

/** Where a new cluster is made, and how it gets to where it is looked for. */
export interface NewData {
  /** An empty folder that belongs to the user PostgreSQL runs as. */
  readonly draft: string
  /** Moves the finished draft into place, in one step. */
  readonly finish: () => Promise<void>
}

/**
 * Prepares the folder for a new cluster: in the server's folder, or, where root's PostgreSQL may not go there (a project under
 * /root), in /var/lib/acuse with a symlink to it.
 */
export async function placeNewData(paths: ServerPaths, runAs: RunAs | null): Promise<NewData> {
  await removeDrafts(paths.root)
  const place = runAs !== null && (await closedFolderAbove(paths.data, runAs)) !== null ? outsidePlace(paths) : null
  if (place === null || !(await makeOwnFolder(place))) {
    const draft = await makeDraft(join(paths.root, `data.draft-${randomUUID()}`), runAs)
    return { draft, finish: async () => await rename(draft, paths.data) }
  }
  await removeOrphans(place)
  const data = join(place, randomUUID())
  await writeFile(`${data}.folder`, paths.root)
  const draft = await makeDraft(data, runAs)
  return { draft, finish: async () => await symlink(data, paths.data) }
}

function outsidePlace(paths: ServerPaths): string {
  return isTemporary(paths.root) ? join(tmpdir(), 'acuse-data') : '/var/lib/acuse'
}

async function makeDraft(draft: string, runAs: RunAs | null): Promise<string> {
  await mkdir(draft, { mode: 0o700 })
  if (runAs !== null) await chown(draft, runAs.uid, runAs.gid)
  return draft
}

// Left by a process that died while it made a cluster here.
async function removeDrafts(root: string): Promise<void> {
  const left = (await readdir(root)).filter((name) => name.startsWith('data.draft-'))
  for (const name of left) await rm(join(root, name), { recursive: true, force: true })
}

// Data outside stays when its folder is deleted. It is removed here for temporary folders only: elsewhere the folder may just
// not be mounted at the moment.
async function removeOrphans(place: string): Promise<void> {
  for (const name of (await readdir(place)).filter((entry) => entry.endsWith('.folder'))) {
    const folder = await readFile(join(place, name), 'utf8').catch(() => '')
    if (folder === '' || !isTemporary(folder) || existsSync(folder)) continue
    await rm(join(place, name.replace(/\.folder$/, '')), { recursive: true, force: true })
    await rm(join(place, name), { force: true })
  }
}

function isTemporary(folder: string): boolean {
  return !relative(tmpdir(), folder).startsWith('..')
}
