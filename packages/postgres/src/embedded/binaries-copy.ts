import { createHash, randomUUID } from 'node:crypto'
import { chmod, copyFile, mkdir, readdir, readFile, readlink, rename, rm, symlink } from 'node:fs/promises'
import { homedir, tmpdir } from 'node:os'
import { basename, dirname, join, relative } from 'node:path'
import { makeOwnFolder } from './own-folder.ts'
import { systemCode } from './system-code.ts'

/** Tells whether the programs in a folder run. */
export type Works = (folder: string) => Promise<boolean>

/**
 * Answers a complete copy of the packaged binaries in `original`, made once for each version (about 60 MB), with the
 * symlinks the package's install script would have made; null where `original` is not such a package or no place for a
 * copy can be trusted and written.
 *
 * Several processes may do this at once: each fills a folder of its own and renames it, and the slower ones use the first.
 */
export async function privateCopy(original: string, program: string, works: Works): Promise<string | null> {
  const links = await packagedLinks(original)
  if (links === null) return null
  const name = `postgres-${await fingerprint(program)}`
  for (const place of cachePlaces()) {
    if (!(await makeOwnFolder(place))) continue
    const copy = join(place, name)
    if ((await works(copy)) || (await build(original, links, copy, works))) return copy
  }
  return null
}

interface Link {
  readonly source: string
  readonly target: string
}

// The package lists the symlinks that npm cannot carry, with paths from the package's own folder ("native/lib/…").
async function packagedLinks(original: string): Promise<Link[] | null> {
  try {
    const listed = JSON.parse(await readFile(join(original, 'pg-symlinks.json'), 'utf8')) as Link[]
    const within = (path: string): string => relative(basename(original), path)
    return listed.map(({ source, target }) => ({ source: within(source), target: within(target) }))
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return null
    throw error
  }
}

// By content, so that all projects with the same build share one copy.
async function fingerprint(program: string): Promise<string> {
  return createHash('sha256')
    .update(await readFile(program))
    .digest('hex')
    .slice(0, 16)
}

// Root's copy must be readable by the user PostgreSQL runs as, so it is not under root's home. Temporary folders come
// last: what cleans them by age removes files of a copy one by one.
function cachePlaces(): string[] {
  const uid = process.getuid?.() ?? 0
  const chosen = process.env['XDG_CACHE_HOME']
  const usual = chosen ? join(chosen, 'acuse') : systemCache(uid)
  return [usual, join(tmpdir(), `acuse-${uid}`)]
}

function systemCache(uid: number): string {
  if (process.platform === 'win32') return join(process.env['LOCALAPPDATA'] ?? homedir(), 'acuse')
  if (uid === 0) return '/var/cache/acuse'
  if (process.platform === 'darwin') return join(homedir(), 'Library', 'Caches', 'acuse')
  return join(homedir(), '.cache', 'acuse')
}

async function build(original: string, links: readonly Link[], copy: string, works: Works): Promise<boolean> {
  const draft = join(dirname(copy), `.draft-${randomUUID()}`)
  try {
    await copyTree(original, draft)
    for (const link of links) await makeLink(draft, link)
    if (!(await works(draft))) return false
    return await moveIntoPlace(draft, copy, works)
  } catch (error) {
    if (isUnwritable(error)) return false
    throw error
  } finally {
    await rm(draft, { recursive: true, force: true })
  }
}

async function copyTree(from: string, to: string): Promise<void> {
  await mkdir(to, { recursive: true })
  await chmod(to, 0o755)
  for (const entry of await readdir(from, { withFileTypes: true })) {
    const [source, target] = [join(from, entry.name), join(to, entry.name)]
    if (entry.isDirectory()) await copyTree(source, target)
    else if (entry.isSymbolicLink()) await symlink(await readlink(source), target)
    else if (!entry.name.endsWith('.a')) {
      await copyFile(source, target)
      await chmod(target, 0o755)
    }
  }
}

async function makeLink(root: string, { source, target }: Link): Promise<void> {
  const link = join(root, target)
  try {
    await symlink(relative(dirname(link), join(root, source)), link)
  } catch (error) {
    if (systemCode(error) !== 'EEXIST') throw error
  }
}

async function moveIntoPlace(draft: string, copy: string, works: Works): Promise<boolean> {
  if (await renamed(draft, copy)) return true
  if (await works(copy)) return true
  const broken = `${draft}-broken`
  await renamed(copy, broken)
  const moved = (await renamed(draft, copy)) || (await works(copy))
  await rm(broken, { recursive: true, force: true })
  return moved
}

async function renamed(from: string, to: string): Promise<boolean> {
  try {
    await rename(from, to)
    return true
  } catch (error) {
    if (['ENOTEMPTY', 'EEXIST', 'EPERM', 'ENOENT'].includes(systemCode(error) ?? '')) return false
    throw error
  }
}

function isUnwritable(error: unknown): boolean {
  return ['EACCES', 'EPERM', 'EROFS', 'ENOSPC', 'EDQUOT'].includes(systemCode(error) ?? '')
}
