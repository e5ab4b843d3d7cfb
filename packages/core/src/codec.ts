import type { Envelope } from './message.ts'

/** What a transport or the log holds of a message, as a codec reads it. */
export interface Encoded {
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array
}

/** Turns envelopes into bytes and back. */
export interface Codec {
  readonly name: string
  /** Throws `ACUSE_UNENCODABLE` or `ACUSE_MESSAGE_TOO_LARGE`. */
  encode(envelope: Envelope): Encoded
  /** Throws `ACUSE_UNDECODABLE`, saying what is wrong and where. */
  decode(encoded: Encoded): Envelope
}
