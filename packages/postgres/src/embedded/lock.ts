import { randomUUID } from 'node:crypto'
import { existsSync, linkSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { isRunning, ownMark, type ProcessMark } from './processes.ts'
import { systemCode } from './system-code.ts'

/** An exclusive lock between processes, held until `release`. */
export interface FileLock {
  release(): void
}

interface Holder extends ProcessMark {
  readonly nonce: string
}

/**
 * Takes the lock, or answers null when it is held. A lock whose holder has died is removed, and the next try gets it.
 *
 * The file appears by `link` with its content complete, so nobody ever reads half a holder. A dead holder's file is
 * removed under a lock named after that very holder: of two that saw it dead, the slower finds another holder in the
 * file and leaves it alone, so a fresh lock is never removed in place of the stale one.
 */
export function tryLock(path: string): FileLock | null {
  const own: Holder = { ...ownMark(), nonce: randomUUID() }
  if (create(path, own)) return { release: () => removeHeldBy(path, own.nonce) }
  const holder = readHolder(path)
  if (holder !== null && !isRunning(holder)) {
    const removal = tryLock(`${path}.stale-${holder.nonce}`)
    if (removal !== null) {
      removeHeldBy(path, holder.nonce)
      removal.release()
    }
  }
  return null
}

/** Waits for the lock, at most `timeoutMs`; null when a live process kept it that long. */
export async function takeLock(path: string, timeoutMs: number): Promise<FileLock | null> {
  const deadline = performance.now() + timeoutMs
  for (;;) {
    const taken = tryLock(path)
    if (taken !== null) return taken
    if (performance.now() >= deadline) return null
    await delay(25)
  }
}

/** The process that holds the lock now, if any. */
export function lockHolder(path: string): ProcessMark | null {
  return readHolder(path)
}

function create(path: string, holder: Holder): boolean {
  if (existsSync(path)) return false
  const draft = `${path}.${holder.nonce}`
  writeFileSync(draft, JSON.stringify(holder))
  try {
    linkSync(draft, path)
    return true
  } catch (error) {
    if (systemCode(error) === 'EEXIST') return false
    throw error
  } finally {
    rmSync(draft, { force: true })
  }
}

function removeHeldBy(path: string, nonce: string): void {
  if (readHolder(path)?.nonce === nonce) rmSync(path, { force: true })
}

function readHolder(path: string): Holder | null {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as Holder
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return null
    throw error
  }
}
