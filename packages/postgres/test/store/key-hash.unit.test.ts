import { expect, it } from 'vitest'
import { keyHash, keyLock } from '../../src/store/key-hash.ts'

const hashOf = (key: string, stream = 'orders'): string => keyHash({ stream, key }) ?? ''

it('a hash of a key is what it always was, as parked messages of earlier releases carry it', () => {
  expect([hashOf(''), hashOf('order-1'), hashOf('påskeæg 🥚'), keyLock('acuse', 1, '7')]).toEqual(golden)
  expect(keyHash({ stream: 'orders', key: null })).toBe(null)
})

it('hashes of keys meet no more often than chance has it, also of keys that differ in one character', () => {
  const texts = Array.from({ length: 200_000 }, (_, n) => hashOf(`order-${n}`, n % 2 === 0 ? 'orders' : 'stock'))
  expect(new Set(texts).size).toBe(texts.length)
  // Each half by itself: of 200,000 values in 2^32, 4.7 pairs are expected to meet; 30 would be one in 10^14.
  const halves = texts.map((text) => BigInt.asUintN(64, BigInt(text)))
  for (const half of [halves.map((value) => value >> 32n), halves.map((value) => value & 0xffffffffn)]) {
    expect(texts.length - new Set(half).size).toBeLessThan(30)
  }
})

it('every bit of a hash is set for half of the keys', () => {
  const counts = Array.from({ length: 64 }, () => 0)
  for (let n = 0; n < 20_000; n++) {
    const bits = BigInt.asUintN(64, BigInt(hashOf(`${n}`)))
      .toString(2)
      .padStart(64, '0')
    for (let bit = 0; bit < 64; bit++) if (bits[bit] === '1') counts[bit] = (counts[bit] ?? 0) + 1
  }
  for (const count of counts) expect(Math.abs(count - 10_000)).toBeLessThan(500)
})

const golden = ['-1553489522017970819', '2550770350633492079', '5846038884022544039', '-8552985648989448290']
