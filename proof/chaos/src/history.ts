import { createReadStream } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { createInterface } from 'node:readline'
import type { LogLine } from './roles/worker-log.ts'

/** A line of a process's log, and whose it is. */
export interface HistoryLine extends LogLine {
  readonly process: string
}

/** What the logs of all processes add up to. */
export interface LogTotals {
  /** Attempts that failed and were repeated. */
  readonly retried: number
  /** Messages written in any transaction, whatever became of it. */
  readonly attempted: ReadonlySet<string>
}

export async function readTotals(folder: string): Promise<LogTotals> {
  const attempted = new Set<string>()
  let retried = 0
  for await (const line of readLines(folder)) {
    if (line.event === 'retrying') retried++
    else if (line.event === 'attempted' || line.event === 'rolling back') {
      for (const id of line.ids ?? []) attempted.add(id)
    }
  }
  return { retried, attempted }
}

/** All that was logged of some messages, in the order of time. */
export async function historiesOf(
  folder: string,
  ids: ReadonlySet<string>,
): Promise<ReadonlyMap<string, readonly HistoryLine[]>> {
  const found = new Map<string, HistoryLine[]>([...ids].map((id) => [id, []]))
  for await (const line of readLines(folder)) {
    for (const id of line.id === undefined ? (line.ids ?? []) : [line.id]) found.get(id)?.push(line)
  }
  for (const lines of found.values()) lines.sort((one, other) => one.at - other.at)
  return found
}

async function* readLines(folder: string): AsyncGenerator<HistoryLine> {
  for (const file of (await readdir(folder)).filter((name) => name.endsWith('.jsonl')).toSorted()) {
    const process = basename(file, '.jsonl')
    for await (const text of createInterface({ input: createReadStream(join(folder, file)) })) {
      const line = parsed(text)
      if (line !== undefined) yield { ...line, process }
    }
  }
}

/** A process that is killed while it writes leaves half a line. */
function parsed(text: string): LogLine | undefined {
  try {
    return JSON.parse(text) as LogLine
  } catch {
    return undefined
  }
}
