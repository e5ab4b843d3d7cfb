import { openSync, writeSync } from 'node:fs'
import { type Diagnostics, listen, messageOf } from '@acuse/core'

/** One thing that happened in a process of the run. */
export interface LogLine {
  /** ms since the epoch. */
  readonly at: number
  readonly pid: number
  readonly event: string
  readonly id?: string
  readonly ids?: readonly string[]
  readonly group?: string
  readonly attempts?: number
  readonly text?: string
}

type WithId = 'published' | 'applied' | 'duplicate' | 'failed' | 'retrying' | 'blocked' | 'dead' | 'relayed'

const events = [
  'published',
  'applied',
  'duplicate',
  'failed',
  'retrying',
  'blocked',
  'dead',
  'relayed',
] as const satisfies readonly WithId[]

export type WriteLine = (line: Omit<LogLine, 'at' | 'pid'>) => void

/** Writes what the bus tells to a file, each line at once: whoever is killed has said everything it did. */
export function openLog(file: string): WriteLine {
  const handle = openSync(file, 'a')
  const write: WriteLine = (line) => {
    writeSync(handle, `${JSON.stringify({ at: Date.now(), pid: process.pid, ...line } satisfies LogLine)}\n`)
  }
  for (const event of events) listen(event, (what) => write({ event, ...partsOf(what) }))
  listen('error', ({ error }) => write({ event: 'error', text: `${error.code}: ${error.message}` }))
  return write
}

function partsOf(what: Diagnostics[WithId]): Omit<LogLine, 'at' | 'pid' | 'event'> {
  return {
    id: what.id,
    ...('group' in what ? { group: what.group } : {}),
    ...('attempts' in what ? { attempts: what.attempts } : {}),
    ...('error' in what && what.error !== null ? { text: messageOf(what.error) } : {}),
    ...('delivered' in what && what.delivered ? { text: 'confirmed' } : {}),
  }
}
