import type { WireMessage } from '@acuse/core'
import type { Case } from './case.ts'
import { assertSame, wire } from './messages.ts'
import type { TransportWorld } from './transport-world.ts'

/** What a message is when it comes out again: the same. */
export const payloadCases: readonly Case<TransportWorld>[] = [
  roundTrip('every byte and every part of a message arrives as it was sent', (stream) => [
    wire('', { stream, key: 'bytes', body: Uint8Array.from({ length: 256 }, (_, byte) => byte) }),
    wire('', { stream, key: 'not text', body: Uint8Array.of(0xff, 0xfe, 0x00, 0xc3, 0x28) }),
    wire('text', { stream, key: null, type: 'case.other-type_2' }),
  ]),
  roundTrip('an empty body stays an empty body', (stream) => [
    wire('', { stream, key: 'a', body: new Uint8Array(0) }),
    wire('', { stream, key: null, body: new Uint8Array(0), headers: {} }),
  ]),
  roundTrip('header values and keys may hold any text', (stream) => [
    wire('1', { stream, key: 'clé-鍵-🔑', headers: { 'ce-subject': 'ñandú 🚚 – “quoted”', 'ce-empty': '' } }),
    wire('2', { stream, key: 'with "quotes", ; * > # . / \\ and spaces', headers: { 'ce-percent': '100%25 %' } }),
    wire('3', { stream, key: 'k'.repeat(200), headers: { 'ce-long': 'x'.repeat(4_000) } }),
  ]),
  roundTrip('a body of a million bytes arrives whole', (stream) => [
    wire('', { stream, key: 'large', body: Uint8Array.from({ length: 1_000_000 }, (_, index) => (index * 31) % 251) }),
    wire('after the large one', { stream, key: 'large' }),
  ]),
]

function roundTrip(name: string, messagesOf: (stream: string) => readonly WireMessage[]): Case<TransportWorld> {
  return {
    name,
    async run(world) {
      const transport = await world.open()
      const { got } = await world.consume(transport)
      const sent = messagesOf(world.stream)
      await world.publish(transport, sent)
      await world.take(got, sent.length)
      for (const message of sent) {
        assertSame(got.deliveries.find((delivery) => delivery.message.id === message.id)?.message, message)
      }
    },
  }
}
