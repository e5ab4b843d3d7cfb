import { randomUUID } from 'node:crypto'
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import type { ServerPaths } from './paths.ts'
import type { ProcessMark } from './processes.ts'

/** A server as it was last started. Kept after a crash, removed by a clean stop. */
export interface StartedServer extends ProcessMark {
  readonly settings: Readonly<Record<string, string>>
  /** The folder of the binaries it was started from. */
  readonly binaries: string
}

/** What `acuse.json` remembers of a folder. Only the holder of the folder's lock writes it. */
export interface FolderState {
  /** The port of the last start, tried first by the next. */
  readonly port?: number
  readonly server?: StartedServer | null
  readonly watchdog?: ProcessMark | null
}

/** Reads the folder's state; one that is missing or was cut short by a power loss is an empty one. */
export function readState(paths: ServerPaths): FolderState {
  try {
    const parsed: unknown = JSON.parse(readFileSync(paths.state, 'utf8'))
    return typeof parsed === 'object' && parsed !== null ? parsed : {}
  } catch {
    return {}
  }
}

/** Changes the given fields of the folder's state, and appears to readers in one step. */
export function updateState(paths: ServerPaths, change: FolderState): void {
  const draft = `${paths.state}.${randomUUID()}`
  try {
    writeFileSync(draft, `${JSON.stringify({ ...readState(paths), ...change }, null, 2)}\n`)
    renameSync(draft, paths.state)
  } catch (error) {
    rmSync(draft, { force: true })
    throw error
  }
}
