import { AcuseError, partitionHash, type WireMessage } from '@acuse/core'
import type { RunQuery } from '../db.ts'
import { prepared } from '../prepared.ts'
import { laneOf, partNumber } from './parts.ts'
import type { RegisteredStream } from './streams.ts'

const longestIdLength = 200
/** A key is an index for people too; beyond this it is data. */
const longestKeyLength = 1_000
/** One statement carries at most this much, which its server holds several times over while it runs; PostgreSQL's own end is 1 GB. */
const mostStatementBytes = 8 * 1024 * 1024
const mostStatementMessages = 5_000

/** Says why a message could not be appended: it would fail the whole statement, and with it the caller's transaction. */
export function refusal(message: WireMessage, maxMessageBytes: number): AcuseError | undefined {
  const { id, key, type, headers, body } = message
  const what = (): string => `message ${JSON.stringify(id.slice(0, longestIdLength))} (${type})`
  if (id.length === 0 || id.length > longestIdLength) {
    return new AcuseError('ACUSE_UNENCODABLE', `${what()}: an id has 1 to ${longestIdLength} characters.`)
  }
  if (key !== null && key.length > longestKeyLength) {
    return new AcuseError('ACUSE_UNENCODABLE', `${what()}: a key has at most ${longestKeyLength} characters.`)
  }
  const broken = brokenText(message)
  if (broken !== undefined) {
    const name = JSON.stringify(broken)
    return new AcuseError('ACUSE_UNENCODABLE', `${what()}: its ${name} holds a NUL or half a surrogate pair.`)
  }
  if (laneOf(message.priority) < 0) {
    return new AcuseError('ACUSE_UNENCODABLE', `${what()}: ${JSON.stringify(message.priority)} is no priority.`)
  }
  const bytes = body.byteLength + lengthOf(headers)
  if (bytes > maxMessageBytes) {
    return new AcuseError(
      'ACUSE_MESSAGE_TOO_LARGE',
      `${what()} is ${bytes} bytes long; the log takes at most ${maxMessageBytes}.`,
    )
  }
  return undefined
}

/** What of a message could not be stored: its id, key, type, stream, or the name of a header. */
function brokenText({ id, key, type, stream, headers }: WireMessage): string | undefined {
  let whole = `${id} ${key ?? ''} ${type} ${stream} `
  for (const name in headers) whole += `${name} ${headers[name] ?? ''} `
  if (isStorable(whole)) return undefined
  const texts = Object.entries({ id, key: key ?? '', type, stream, ...headers })
  return texts.find(([name, text]) => !isStorable(text) || !isStorable(name))?.[0]
}

/** PostgreSQL's text has no NUL, and JSON no half characters. */
function isStorable(text: string): boolean {
  return text.isWellFormed() && !text.includes('\0')
}

function lengthOf(headers: WireMessage['headers']): number {
  let length = 0
  for (const name in headers) length += name.length + (headers[name]?.length ?? 0)
  return length
}

/** Cuts messages, in their order, into runs that one statement carries. */
export function* statementsOf<M extends Pick<WireMessage, 'body'>>(messages: Iterable<M>): Generator<M[]> {
  let run: M[] = []
  let bytes = 0
  for (const message of messages) {
    if (
      run.length > 0 &&
      (bytes + message.body.byteLength > mostStatementBytes || run.length >= mostStatementMessages)
    ) {
      yield run
      run = []
      bytes = 0
    }
    run.push(message)
    bytes += message.body.byteLength
  }
  if (run.length > 0) yield run
}

export interface AppendRequest {
  readonly messages: readonly WireMessage[]
  /** How the streams of the messages are registered. */
  readonly streams: ReadonlyMap<string, RegisteredStream>
  /** The channel to notify in the same transaction, or null. */
  readonly notify: string | null
}

export interface Appended {
  /** The transaction's id: the messages are readable once it has committed. */
  readonly xid: string
  /** How many of the streams are registered too recently for the transaction's snapshot to show them. */
  readonly unseen: number
}

/** Appends messages to the log in one statement, so that their positions have their order. */
export async function appendToLog(run: RunQuery, schema: string, request: AppendRequest): Promise<Appended> {
  const { messages, streams, notify } = request
  const known = [...streams.values()]
  const [row] = await run<{ appended: string }>(
    prepared(`select ${schema}.log_append($1, $2, $3, $4, $5, $6, $7, $8, $9) as appended`),
    [
      known.map(({ name }) => name),
      known.map(({ id }) => id),
      messages.map((message) => partFor(message, streams)),
      messages.map(({ key }) => key),
      messages.map(({ id }) => id),
      messages.map(({ type }) => type),
      messages.map(({ headers }) => JSON.stringify(headers)).join('\n'),
      messages.map(({ body }) => base64(body)).join('\n'),
      notify,
    ],
  )
  if (row === undefined) throw new AcuseError('ACUSE_TRANSPORT_UNAVAILABLE', 'The log gave no answer to an append.')
  const [xid = '', unseen] = row.appended.split(':')
  return { xid, unseen: Number(unseen) }
}

function base64(body: Uint8Array): string {
  return Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('base64')
}

function partFor(message: WireMessage, streams: ReadonlyMap<string, RegisteredStream>): number {
  const stream = streams.get(message.stream)
  if (stream === undefined) {
    throw new AcuseError('ACUSE_TRANSPORT_UNAVAILABLE', `stream ${message.stream} was not registered before an append.`)
  }
  const partition = partitionHash(message) % stream.partitions
  return partNumber({ streamId: stream.id, lane: laneOf(message.priority), partition })
}
