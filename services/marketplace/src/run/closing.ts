import { messageOf } from '@acuse/core'

/** What a run has opened, to be closed in the opposite order however the run ends. */
export interface Closing {
  add: (what: string, close: () => Promise<unknown>) => void
  /** Closes all, each also when another failed. Closing twice is closing once. */
  close: () => Promise<void>
}

export function createClosing(note: (text: string) => void): Closing {
  const opened: { what: string; close: () => Promise<unknown> }[] = []
  let closing: Promise<void> | undefined
  const closeAll = async (): Promise<void> => {
    for (let next = opened.pop(); next !== undefined; next = opened.pop()) {
      const { what, close } = next
      await close().catch((error: unknown) => note(`${what} could not be closed: ${messageOf(error)}`))
    }
  }
  return {
    add: (what, close) => void opened.push({ what, close }),
    close: () => (closing ??= closeAll()),
  }
}
