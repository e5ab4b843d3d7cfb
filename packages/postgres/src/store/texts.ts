import type { FailureRecord } from '@acuse/core'

const longestMessageBytes = 10_240
const longestStackBytes = 20_480
const longestNameBytes = 256

/** PostgreSQL refuses NUL in text. What cannot be stored could not even be dead-lettered, so it becomes U+FFFD. */
export function storable(text: string): string {
  return text.includes('\0') ? text.replaceAll('\0', '\uFFFD') : text
}

/** A failure as it is kept: without NUL, and short enough that a loop of failures does not fill the disk. */
export function failureJson(failure: FailureRecord): string {
  return JSON.stringify({
    code: failure.code === null ? null : cut(failure.code, longestNameBytes),
    name: cut(failure.name, longestNameBytes),
    message: cut(failure.message, longestMessageBytes),
    stack: failure.stack === null ? null : cut(failure.stack, longestStackBytes),
  } satisfies FailureRecord)
}

/** The first `bytes` bytes of a text as UTF-8, whole characters only. */
export function cut(text: string, bytes: number): string {
  const stored = storable(text)
  // A UTF-16 unit is at most three bytes, so most texts need no count.
  if (stored.length * 3 <= bytes) return stored
  const encoded = Buffer.from(stored)
  if (encoded.length <= bytes) return stored
  let end = bytes
  while (end > 0 && ((encoded[end] ?? 0) & 0xc0) === 0x80) end--
  return encoded.toString('utf8', 0, end)
}
