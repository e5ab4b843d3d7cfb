import {
  type ApiError,
  type ConsumerConfig,
  type ConsumerInfo,
  JetStreamApiError,
  type StreamConfig,
  type StreamInfo,
} from '@nats-io/jetstream'
import type { MsgHdrs } from '@nats-io/transport-node'
import type { Connection } from './connection.ts'
import { apiCodeOf, apiCodes } from './errors.ts'

type Answer<T> = Partial<T> & { readonly error?: ApiError }

/** A message of a stream as the API gives it: headers and data in base64. */
export interface StoredText {
  readonly subject: string
  readonly seq: number
  readonly hdrs?: string
  readonly data?: string
  readonly time: string
}

export type NamedConfig = Partial<StreamConfig> & Pick<StreamConfig, 'name'>

/** Not as the client itself asks, whose questions wait for 5 s when the connection breaks. Throws what the server says is wrong. */
async function ask<T>(
  connection: Connection,
  subject: string,
  payload: Uint8Array | string,
  headers?: MsgHdrs,
): Promise<Answer<T>> {
  const answered = await connection.request(subject, payload, headers)
  const answer = answered.json<Answer<T>>()
  if (answer.error?.err_code === apiCodes.nobodyLeads) connection.silence.goesOn()
  else connection.silence.over()
  if (answer.error !== undefined) throw new JetStreamApiError(answer.error)
  return answer
}

async function call<T>(connection: Connection, method: string, question: object = {}): Promise<Answer<T>> {
  return ask(connection, `$JS.API.${method}`, JSON.stringify(question))
}

/** Gives a message to a stream, and its number there once it is stored. Undefined where the answer is no ack. */
export async function store(
  connection: Connection,
  subject: string,
  payload: Uint8Array | string,
  headers: MsgHdrs,
): Promise<number | undefined> {
  const { seq } = await ask<{ readonly seq: number }>(connection, subject, payload, headers)
  return seq
}

/** Makes a stream. One that is there with the very same settings is left as it is. */
export async function createStream(connection: Connection, config: NamedConfig): Promise<StreamInfo> {
  return whole(await call<StreamInfo>(connection, `STREAM.CREATE.${config.name}`, config))
}

export async function readStreamInfo(connection: Connection, name: string): Promise<StreamInfo> {
  return whole(await call<StreamInfo>(connection, `STREAM.INFO.${name}`))
}

export async function createConsumer(
  connection: Connection,
  stream: string,
  config: Partial<ConsumerConfig> & Pick<ConsumerConfig, 'name'>,
): Promise<ConsumerInfo> {
  const question = { stream_name: stream, config, action: 'create' }
  const answer = await call<ConsumerInfo>(connection, `CONSUMER.CREATE.${stream}.${config.name}`, question)
  if (!isConsumerInfo(answer)) throw new Error(`the answer about a consumer of ${stream} is none`)
  return answer
}

export async function readConsumerInfo(
  connection: Connection,
  stream: string,
  consumer: string,
): Promise<ConsumerInfo> {
  const answer = await call<ConsumerInfo>(connection, `CONSUMER.INFO.${stream}.${consumer}`)
  if (!isConsumerInfo(answer)) throw new Error(`the answer about consumer ${consumer} of ${stream} is none`)
  return answer
}

/** Asks for it and does not wait: it would be gone by itself, only later. */
export function deleteConsumer({ client, connected }: Connection, stream: string, consumer: string): void {
  if (connected) client.publish(`$JS.API.CONSUMER.DELETE.${stream}.${consumer}`)
}

/** Reads one message, from the server that leads the stream and not from the nearest. Undefined where there is none. */
export async function readMessage(
  connection: Connection,
  stream: string,
  which: { readonly seq: number } | { readonly last_by_subj: string },
): Promise<StoredText | undefined> {
  try {
    const { message } = await call<{ readonly message: StoredText }>(connection, `STREAM.MSG.GET.${stream}`, which)
    return message
  } catch (error) {
    if (apiCodeOf(error) === apiCodes.noMessageFound) return undefined
    throw error
  }
}

/** The subjects of a stream that have messages, of those that a pattern fits. */
export async function readSubjects(connection: Connection, stream: string, pattern: string): Promise<string[]> {
  const subjects: string[] = []
  for (;;) {
    const question = { subjects_filter: pattern, offset: subjects.length }
    const { state, total = 0 } = await call<StreamInfo>(connection, `STREAM.INFO.${stream}`, question)
    const page = Object.keys(state?.subjects ?? {})
    subjects.push(...page)
    if (page.length === 0 || subjects.length >= total) return subjects
  }
}

/** Takes all messages before a number out of a stream, for good. */
export async function purgeBefore(connection: Connection, stream: string, sequence: number): Promise<void> {
  await call(connection, `STREAM.PURGE.${stream}`, { seq: sequence })
}

function whole(answer: Answer<StreamInfo>): StreamInfo {
  if (!isStreamInfo(answer)) throw new Error('the answer about a stream is none')
  return answer
}

function isStreamInfo(answer: Answer<StreamInfo>): answer is StreamInfo {
  return answer.config !== undefined && answer.state !== undefined && answer.created !== undefined
}

function isConsumerInfo(answer: Answer<ConsumerInfo>): answer is ConsumerInfo {
  return answer.name !== undefined && answer.delivered !== undefined
}
