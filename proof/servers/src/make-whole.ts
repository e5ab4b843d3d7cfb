import { existsSync } from 'node:fs'
import { mkdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { cacheFolder } from './cache.ts'
import { withFileLock } from './file-lock.ts'

/** Says how far something is. */
export type Report = (progress: string) => void

/** Makes what is wanted in a new folder, within a time. */
export type Make = (folder: string, timeoutMs: number) => Promise<void>

/** Two minutes with all at once on two busy cores and a near mirror. */
const timeoutMs = 30 * 60_000

/**
 * Makes a folder of the cache unless it is there. It is made beside its place and moved there when it is whole, so that
 * one that was interrupted is made again; of several processes one makes it and the others wait.
 */
export async function makeWhole(name: string, report: Report, make: Make): Promise<void> {
  const folder = join(cacheFolder(), name)
  if (existsSync(folder)) return
  await mkdir(cacheFolder(), { recursive: true })
  const waiting = setTimeout(() => report('waits for another process that gets it'), 1_000)
  const making = withFileLock(`${folder}.lock`, timeoutMs, async () => {
    clearTimeout(waiting)
    if (existsSync(folder)) return
    const part = `${folder}.part`
    // Left by one that was interrupted.
    await rm(part, { recursive: true, force: true })
    await mkdir(part)
    try {
      await make(part, timeoutMs)
      await rename(part, folder)
    } catch (error) {
      await rm(part, { recursive: true, force: true })
      throw error
    }
  })
  await making.finally(() => clearTimeout(waiting))
}
