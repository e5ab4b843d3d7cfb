import { partitionHash } from '@acuse/core'
import { expect, test } from 'vitest'
import { sampleMessages } from './vectors/samples.ts'
import { codecs, expectedVectors, type Meaning, meaningOf, readVectors, versions } from './vectors/vectors.ts'

test.each(Object.entries(codecs))('%s: what it makes of a message says all of it', async (_, codec) => {
  const samples = await sampleMessages(codec)
  const meanings = Object.fromEntries(
    [...samples].map(([name, wire]) => [name, meaningOf(wire, codec, wire.partitions ?? 0)]),
  )
  expect(meanings).toEqual(expectedVectors<Meaning>('messages', meanings))
})

interface Hashed {
  readonly hash: number
  /** The partition, by how many the stream has. */
  readonly partitions: Readonly<Record<string, number>>
}

const keys = ['', 'a', 'A-1', 'order-42', 'ключ-ñ-日本', '🫖', '@acme%2Feu/A-1', '018f5c0e-7c1a-7000-8000-000000000001']
const counts = [1, 2, 3, 4, 12, 256]

test('a key is in the same partition for everybody, for ever', () => {
  const hashed = Object.fromEntries(
    keys.map((key) => {
      const hash = partitionHash({ key, id: 'not looked at' })
      return [key, { hash, partitions: Object.fromEntries(counts.map((count) => [count, hash % count])) }]
    }),
  )
  expect(hashed).toEqual(expectedVectors<Hashed>('partitions', hashed))
  expect(partitionHash({ key: null, id: 'a' })).toBe(partitionHash({ key: 'a', id: '' }))
  for (const version of versions) expect(hashed).toMatchObject(readVectors<Hashed>(version, 'partitions'))
})
