import { closeSync, copyFileSync, fstatSync, openSync, readSync, statSync, truncateSync } from 'node:fs'
import type { ServerPaths } from './paths.ts'

/** The server's log is cut when it is longer; the part before stays in `server.log.1`, so both take at most twice this. */
const maxLogBytes = 8 * 1024 * 1024

/** The log's length in bytes, 0 when there is none. */
export function logSize(paths: ServerPaths): number {
  return statSync(paths.log, { throwIfNoEntry: false })?.size ?? 0
}

/**
 * Keeps the log bounded. The server appends to one open file, so the file is copied and emptied in place; lines written
 * between the two are lost, which a log of last resort can bear.
 */
export function boundLog(paths: ServerPaths): void {
  if (logSize(paths) <= maxLogBytes) return
  copyFileSync(paths.log, paths.oldLog)
  truncateSync(paths.log)
}

/** The last lines of the log, at most `lines` and 8 KB, and only those written past `fromByte`. */
export function lastLogLines(paths: ServerPaths, fromByte = 0, lines = 12): string {
  let descriptor: number
  try {
    descriptor = openSync(paths.log, 'r')
  } catch {
    return ''
  }
  try {
    const { size } = fstatSync(descriptor)
    const from = Math.max(Math.min(fromByte, size), size - 8_192)
    const tail = Buffer.alloc(size - from)
    readSync(descriptor, tail, 0, tail.length, from)
    return tail.toString('utf8').trimEnd().split('\n').slice(-lines).join('\n')
  } finally {
    closeSync(descriptor)
  }
}
