import { type Connection, Reader, Writer } from '@platformatic/kafka'
import { expect, it } from 'vitest'
import { type MetadataResponse, requests } from '../src/protocol.ts'

const brokers = 2_000
/** As small as a slow network makes them. */
const pieceBytes = 16

it('an answer in many pieces is read in a time that grows with it, not with its square', () => {
  const bytes = Writer.create()
    .appendInt32(0)
    .appendArray(
      Array.from({ length: brokers }, (_, index) => index),
      (writer, index) => writer.appendInt32(index).appendString(`host-${index}`).appendInt32(9_092).appendString(null),
    )
    .appendString('cluster')
    .appendInt32(0)
    .appendArray([], (writer) => writer)
    .appendTaggedFields().buffer
  const reader = Reader.from(bytes.subarray(0, pieceBytes))
  for (let at = pieceBytes; at < bytes.length; at += pieceBytes) {
    reader.buffer.append(bytes.subarray(at, at + pieceBytes))
  }
  const pieces = reader.buffer.buffers
  let looks = 0
  reader.buffer.buffers = new Proxy(pieces, {
    get(target, name, receiver) {
      looks++
      return Reflect.get(target, name, receiver) as unknown
    },
  })
  const answer = parse(new Reader(reader.buffer))
  expect(answer.brokers).toHaveLength(brokers)
  expect(answer.brokers.at(-1)).toMatchObject({ nodeId: brokers - 1, host: `host-${brokers - 1}`, port: 9_092 })
  expect(answer.clusterId).toBe('cluster')
  expect(looks).toBeLessThan(pieces.length * 10)
})

/** Reads an answer as a connection has it read. */
function parse(reader: Reader): MetadataResponse {
  let answer: MetadataResponse | undefined
  const connection = {
    send: (...[key, version, , read]: Parameters<Connection['send']>) => {
      answer = read(1, key, version, reader) as MetadataResponse
      return true
    },
  }
  requests.metadata(connection as unknown as Connection, [], false, false, () => undefined)
  if (answer === undefined) throw new Error('nothing was read')
  return answer
}
