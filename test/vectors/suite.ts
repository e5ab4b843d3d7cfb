import { cloudEvents, type Codec, type Transport, type WireMessage } from '@acuse/core'
import { eventually } from '@acuse/testing'
import { Collector, uniqueName } from '@acuse/testing/conformance'
import { describe, expect, it } from 'vitest'
import { sampleMessages } from './samples.ts'
import {
  codecs,
  expectedVectors,
  type Meaning,
  meaningOf,
  newest,
  readVectors,
  type Vectors,
  versions,
} from './vectors.ts'

const stream = 'shop.orders'
const partitions = 4
/** A partition may have to find its owner first. */
const patience = { timeoutMs: 30_000 }

/** How a transport writes a message and reads it, without its server. `Held` is what the broker holds, as JSON. */
export interface Wire<Held> {
  readonly held: (message: WireMessage) => Held
  readonly messageOf: (held: Held) => WireMessage
  /** What somebody holds there who knows CloudEvents and the broker, and nothing of Acuse. */
  readonly ofOthers?: (held: Held) => Held
}

/** Registers a test for each codec: what is written is the newest vectors, and the vectors of every version are read. */
export function testWire<Held>(transport: string, { held, messageOf, ofOthers }: Wire<Held>): void {
  describe.each(Object.entries(codecs))(`vectors of ${transport}, codec %s`, (name, codec) => {
    const file = `${transport}/${name}`

    it('what is written is the vector, byte for byte', async () => {
      const samples = await sampleMessages(codec)
      const written = Object.fromEntries([...samples].map(([sample, message]) => [sample, held(message)]))
      expect(written).toEqual(expectedVectors<Held>(file, written))
    })

    it.each(versions)('what version %s of it says is understood', (version) => {
      const vectors = readVectors<Held>(version, file)
      expect(meanings(Object.values(vectors).map(messageOf), codec)).toEqual(meaningsOf(version))
    })
  })

  if (ofOthers === undefined) return
  it(`a CloudEvent that others put on ${transport} has its own id, type and key`, () => {
    const { keyed } = readVectors<Held>(newest, `${transport}/cloudevents`)
    if (keyed === undefined) throw new Error('There is no vector "keyed".')
    const message = messageOf(ofOthers(keyed))
    expect(meanings([message], codecs['cloudevents'] ?? cloudEvents())).toEqual({
      'id-of-keyed': readVectors<Meaning>(newest, 'messages')['keyed'],
    })
  })
}

/** A transport on a real server, and the broker's own client beside it. Opened for one test. */
export interface VectorServer<Held> {
  readonly transport: Transport
  /** From now on `heard` has what is published to `shop.orders`, which is declared by then. */
  readonly listen: () => Promise<void>
  readonly heard: () => readonly Held[] | Promise<readonly Held[]>
  /** Publishes with the broker's own client. */
  readonly write: (vectors: readonly Held[]) => Promise<void>
  /** Lets the server forget which ids it has seen. */
  readonly forget?: () => Promise<void>
}

/** Registers a test for each codec on a real server: what arrives there is the newest vectors, and vectors of every version arrive here. */
export function testVectors<Held>(transport: string, open: () => Promise<VectorServer<Held>>): void {
  describe(`vectors of ${transport} on its server`, () => {
    it.each(Object.entries(codecs))(
      'the plain client reads what is sent, and what it sends is read: codec %s',
      async (name, codec) => {
        const { transport: ours, listen, heard, write, forget } = await open()
        const file = `${transport}/${name}`
        const sink = new Collector()
        const streams = [{ name: stream, partitions }]
        const source = { group: uniqueName('group'), streams, types: 'all', from: 'now', prefetch: 100 } as const
        const subscription = await ours.consume(source, sink)
        await listen()
        const samples = [...(await sampleMessages(codec)).values()]
        const results = await ours.publish(samples, AbortSignal.timeout(30_000))
        expect(results.map(({ state }) => state)).toEqual(samples.map(() => 'delivered'))
        const sent = Object.values(readVectors<Held>(newest, file))
        await eventually(async () => expect(inOrder(await heard())).toEqual(inOrder(sent)), patience)
        await eventually(() => expect(sink.deliveries).toHaveLength(samples.length), patience)

        for (const version of versions) {
          sink.deliveries.splice(0)
          await forget?.()
          await write(Object.values(readVectors<Held>(version, file)))
          await eventually(() => expect(sink.deliveries).toHaveLength(samples.length), patience)
          expect(
            meanings(
              sink.deliveries.map(({ message }) => message),
              codec,
            ),
          ).toEqual(meaningsOf(version))
        }
        await subscription.stop(10_000)
      },
      120_000,
    )
  })
}

function meanings(messages: readonly WireMessage[], codec: Codec): Vectors<Meaning> {
  return Object.fromEntries(messages.map((message) => [message.id, meaningOf(message, codec, partitions)]))
}

function meaningsOf(version: string): Vectors<Meaning> {
  return Object.fromEntries(Object.values(readVectors<Meaning>(version, 'messages')).map((one) => [one.id, one]))
}

/** Messages without a common key have no order among them. */
function inOrder(held: readonly unknown[]): readonly string[] {
  return held.map((one) => JSON.stringify(one)).toSorted()
}
