import { createWriteStream } from 'node:fs'
import { finished } from 'node:stream/promises'

import { counted } from '../display/numbers.ts'
import type { RejectedLine } from '../input/order-input.ts'

/** So many are shown at once; a file of the wrong kind has nothing else. */
const SHOWN = 20

/** Lines of the input that could not be used: all of them in a file, the first few as notes. */
export interface RejectedLines {
  add: (line: RejectedLine) => void
  readonly count: number
  /** Finishes the file, and says how many there were beyond those shown. */
  close: () => Promise<void>
}

export function createRejectedLines(path: string, note: (text: string) => void): RejectedLines {
  const file = createWriteStream(path)
  // A full disk costs the list, not the run; what was wrong is told at the close.
  let failure: Error | undefined
  file.on('error', (error) => {
    failure = error
  })
  let count = 0
  return {
    get count() {
      return count
    },
    add({ line, invoice, reason }) {
      count += 1
      const text = `line ${line}${invoice === null ? '' : ` (invoice ${invoice})`}: ${reason}`
      file.write(`${text}\n`)
      if (count <= SHOWN) note(`not used: ${text}`)
    },
    async close() {
      file.end()
      await finished(file).catch(() => undefined)
      if (failure !== undefined) note(`${path} could not be written: ${failure.message}`)
      else if (count > SHOWN) note(`${counted(count, 'line')} could not be used; all of them are in ${path}`)
    },
  }
}
