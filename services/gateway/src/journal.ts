import { createReadStream } from 'node:fs'
import { mkdir, open } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { dirname } from 'node:path'

import type { Entry } from './entry.ts'

/** A journal that holds something else than whole entries, other than at its very end. */
export class JournalDamagedError extends Error {
  override readonly name = 'JournalDamagedError'

  constructor(path: string, line: number, cause?: unknown) {
    super(`${path}, line ${line} is not an entry; restore the file or move it away`, { cause })
  }
}

/** An append-only file of entries. One process at a time. */
export interface Journal {
  /** Settles once the entry is on the disk. After a failure it always rejects: what the file ends with is unknown then. */
  append(entry: Entry): Promise<void>
  /** Writes what is waiting and closes the file. */
  close(): Promise<void>
}

/**
 * Opens a journal, creating it where there is none, and hands every entry in it to `replay`. A last line without its
 * newline is what a kill left of a write nobody was told of: it is cut off.
 */
export async function openJournal(path: string, replay: (entry: Entry) => void): Promise<Journal> {
  await mkdir(dirname(path), { recursive: true })
  const file = await open(path, 'a')
  try {
    const wholeBytes = await replayLines(path, replay)
    await file.truncate(wholeBytes)
    await file.sync()
    await syncFolder(dirname(path))
  } catch (error) {
    await file.close()
    throw error
  }
  return journalOn(file)
}

async function replayLines(path: string, replay: (entry: Entry) => void): Promise<number> {
  let wholeBytes = 0
  let line = 0
  let rest: Buffer = Buffer.alloc(0)
  for await (const chunk of createReadStream(path) as AsyncIterable<Buffer>) {
    const bytes = Buffer.concat([rest, chunk])
    let start = 0
    for (let end = bytes.indexOf('\n'); end !== -1; end = bytes.indexOf('\n', start)) {
      line += 1
      replay(parse(path, line, bytes.toString('utf8', start, end)))
      start = end + 1
    }
    wholeBytes += start
    rest = bytes.subarray(start)
  }
  return wholeBytes
}

function parse(path: string, line: number, text: string): Entry {
  try {
    const entry = JSON.parse(text) as Entry
    if (typeof entry.type === 'string' && typeof entry.key === 'string') return entry
  } catch (error) {
    throw new JournalDamagedError(path, line, error)
  }
  throw new JournalDamagedError(path, line)
}

// A new file's name is in its folder, and is on the disk when the folder is.
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path)
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}

interface Waiting {
  text: string
  done: () => void
  failed: (error: unknown) => void
}

function journalOn(file: FileHandle): Journal {
  let waiting: Waiting[] = []
  let writing: Promise<void> | undefined
  let failure: { error: unknown } | undefined

  // Entries that arrive during one fsync share the next, so the disk's latency bounds the wait and not the rate.
  const writeAll = async (): Promise<void> => {
    while (waiting.length > 0) {
      const batch = waiting
      waiting = []
      try {
        await file.appendFile(batch.map((one) => one.text).join(''))
        await file.datasync()
        for (const one of batch) one.done()
      } catch (error) {
        failure = { error }
        for (const one of [...batch, ...waiting]) one.failed(error)
        waiting = []
      }
    }
    writing = undefined
  }

  return {
    append: (entry) =>
      new Promise((resolve, reject) => {
        if (failure !== undefined) {
          reject(failure.error)
          return
        }
        waiting.push({ text: `${JSON.stringify(entry)}\n`, done: resolve, failed: reject })
        writing ??= writeAll()
      }),
    async close() {
      await writing
      await file.close()
    },
  }
}
