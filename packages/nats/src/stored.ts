import { headers as emptyHeaders, type MsgHdrs } from '@nats-io/transport-node'
import { readMessage } from './api.ts'
import type { Connection } from './connection.ts'
import { asAcuseError } from './errors.ts'
import type { Stored } from './wire.ts'

/** So many questions are under way at once. */
const atOnce = 32

/** Reads single messages of a stream, in the given order. One that is no longer there is left out. */
export async function readStored(
  connection: Connection,
  stream: string,
  sequences: readonly number[],
): Promise<Stored[]> {
  const found: Stored[] = []
  for (let from = 0; from < sequences.length; from += atOnce) {
    const some = sequences.slice(from, from + atOnce)
    const read = await Promise.all(some.map((sequence) => readOne(connection, stream, sequence)))
    found.push(...read.filter((one) => one !== undefined))
  }
  return found
}

async function readOne(connection: Connection, stream: string, sequence: number): Promise<Stored | undefined> {
  try {
    const message = await readMessage(connection, stream, { seq: sequence })
    if (message === undefined) return undefined
    return {
      subject: message.subject,
      headers: headersOf(Buffer.from(message.hdrs ?? '', 'base64').toString()),
      body: Buffer.from(message.data ?? '', 'base64'),
      sequence,
      takenAt: nanosOf(message.time),
    }
  } catch (error) {
    throw asAcuseError(error, `message ${sequence} of ${stream}`)
  }
}

/** `NATS/1.0`, then a line for each. */
function headersOf(text: string): MsgHdrs {
  const result = emptyHeaders()
  for (const line of text.split('\r\n').slice(1)) {
    const colon = line.indexOf(':')
    if (colon > 0) result.append(line.slice(0, colon), line.slice(colon + 1).trim())
  }
  return result
}

/** `2026-01-02T03:04:05.123456789Z` as a consumer says it: nanoseconds since the epoch. */
function nanosOf(time: string): string {
  const [, seconds = '', fraction = ''] = /^(.*:\d\d)(?:\.(\d+))?Z$/.exec(time) ?? []
  return `${Date.parse(`${seconds}Z`) / 1_000}${fraction.padEnd(9, '0')}`
}
