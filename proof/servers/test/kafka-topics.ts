import { askMetadata, request } from '../src/kafka/request.ts'
import { eventually } from '../src/waiting.ts'
import { assertContains } from './support.ts'

const createTopics = { key: 19, version: 2 } as const

/** Creates a topic of one partition, and waits until the broker that was asked knows it. */
export async function createTopic(port: number, name: string, replicas: number): Promise<void> {
  const topic = [int16(name.length), Buffer.from(name), int32(1), int16(replicas), int32(0), int32(0)]
  // An array of one topic, a timeout of 10 s, and no mere validation.
  const body = Buffer.concat([int32(1), ...topic, int32(10_000), Buffer.from([0])])
  const created = await request(port, createTopics.key, createTopics.version, body)
  // After the topic's name an error code of 0.
  assertContains(created.toString('latin1'), `${name}\0\0`)
  await eventually(async () => assertContains((await askMetadata(port)).toString('latin1'), name), 10_000)
}

/** Whether a broker knows a topic. */
export async function hasTopic(port: number, name: string): Promise<boolean> {
  return (await askMetadata(port)).includes(name)
}

function int16(value: number): Buffer {
  const buffer = Buffer.alloc(2)
  buffer.writeInt16BE(value)
  return buffer
}

function int32(value: number): Buffer {
  const buffer = Buffer.alloc(4)
  buffer.writeInt32BE(value)
  return buffer
}
