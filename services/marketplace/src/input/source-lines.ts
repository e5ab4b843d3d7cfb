/** One line of a source: its text, or why it has none. */
export type SourceLine = { number: number; text: string } | { number: number; problem: string }

/** Bytes of a source, as a file stream or a request gives them. Strings are taken as UTF-8 text. */
export type ByteSource = AsyncIterable<Uint8Array | string>

/** A line of eight honest fields stays under 700 bytes; past this a lost newline is the likelier reading. */
const MAX_LINE_BYTES = 8_192

const LINE_FEED = 0x0a

/**
 * Splits a source into lines, holding one line in memory at most. Lines end in LF or CRLF; a byte-order mark at the
 * start is dropped. A line that is too long, holds a control character or is not UTF-8 comes as a problem, and
 * reading goes on at the next newline.
 */
export async function* sourceLines(
  source: ByteSource,
  maxLineBytes: number = MAX_LINE_BYTES,
): AsyncGenerator<SourceLine> {
  let number = 1
  let held: Uint8Array[] = []
  let heldBytes = 0
  let tooLong = false

  const hold = (bytes: Uint8Array): void => {
    if (tooLong || heldBytes + bytes.length > maxLineBytes) {
      tooLong = true
      held = []
    } else {
      held.push(bytes)
    }
    heldBytes += bytes.length
  }
  const take = (): SourceLine => {
    const line = tooLong
      ? { number, problem: `the line is longer than ${maxLineBytes} bytes` }
      : readText(number, Buffer.concat(held))
    number += 1
    held = []
    heldBytes = 0
    tooLong = false
    return line
  }

  for await (const chunk of source) {
    const bytes = typeof chunk === 'string' ? Buffer.from(chunk) : chunk
    let start = 0
    for (let end = bytes.indexOf(LINE_FEED); end !== -1; end = bytes.indexOf(LINE_FEED, start)) {
      hold(bytes.subarray(start, end))
      yield take()
      start = end + 1
    }
    if (start < bytes.length) hold(bytes.subarray(start))
  }
  if (heldBytes > 0) yield take()
}

// ignoreBOM keeps U+FEFF in the text: only the one that opens the source is a mark, and that one is dropped by hand.
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
// NUL cannot be stored in PostgreSQL's text; the others (escape sequences above all) have no business on a terminal.
const CONTROL = /[^\P{Cc}\t]/u

function readText(number: number, bytes: Uint8Array): SourceLine {
  let text: string
  try {
    text = utf8.decode(bytes)
  } catch {
    return { number, problem: 'the line is not valid UTF-8' }
  }
  if (text.endsWith('\r')) text = text.slice(0, -1)
  if (number === 1 && text.startsWith('\u{feff}')) text = text.slice(1)
  const control = CONTROL.exec(text)?.[0]
  if (control !== undefined) return { number, problem: `the line holds the control character ${codePoint(control)}` }
  return { number, text }
}

function codePoint(character: string): string {
  return `U+${(character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}`
}
